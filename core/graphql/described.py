"""Descriptions of what has none of its own."""

import graphene

# Of columns and of form fields that many types have, by their name here.
_MEANINGS = {
    "active": "Whether it can be had.",
    "archivedAt": "When it was removed; of those, only staff know.",
    "at": "When it was.",
    "city": "Town.",
    "code": "The code that was sent.",
    "createdAt": "When it was made.",
    "currency": "ISO 4217.",
    "cutOff": "When its batch goes out, by the shop's clocks.",
    "datetime": "When it is to be, with its offset.",
    "description": "What there is to say of it.",
    "email": "E-mail address.",
    "error": "What it said last.",
    "expiresAt": "Until when it holds.",
    "failingSince": "Since when it fails; null: it does not.",
    "failures": "So many in a row.",
    "fee": "In the shop's currency.",
    "height": "Pixels, where they are known.",
    "imported": "Whether it is history from elsewhere.",
    "isPublished": "Whether shoppers see it.",
    "isStaff": "Whether the admin is open to them.",
    "language": "Language of messages, ISO 639-1.",
    "line1": "Street and house.",
    "line2": "What else leads there.",
    "lines": "What it is to hold.",
    "lowStockThreshold": "Listed as low from so many pieces down.",
    "name": "What it is called.",
    "note": "What the customer has to say.",
    "number": "What people call it by.",
    "phone": "In international form (E.164).",
    "placedAt": "When it was placed.",
    "postcode": "Postal code.",
    "price": "Of one piece, in the shop's currency.",
    "quantity": "Pieces.",
    "reason": "Why.",
    "receivedAt": "When it was stored.",
    "recipient": "Who is there.",
    "reference": "What it is called where it comes from.",
    "seenPrice": "What the shopper was shown when they added or accepted it.",
    "sku": "What the shop calls it; in any case.",
    "slug": "Its name in addresses.",
    "stock": "Pieces on hand.",
    "subject": "Who they are to all programs, for ever.",
    "total": "Of all lines.",
    "totalFee": "What was agreed.",
    "unitPrice": "Of one piece, when it was placed.",
    "updatedAt": "When it was changed last.",
    "variants": "What of it can be bought.",
    "weight": "Grams.",
    "width": "Pixels, where they are known.",
}


def described(schema: graphene.Schema) -> graphene.Schema:
    """Return the schema with a description at every field and argument that has a known name."""
    for kind in schema.graphql_schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        for name, field in getattr(kind, "fields", {}).items():
            field.description = field.description or _MEANINGS.get(name)
            for name_of_argument, argument in getattr(field, "args", {}).items():
                argument.description = argument.description or _MEANINGS.get(name_of_argument)
    return schema
