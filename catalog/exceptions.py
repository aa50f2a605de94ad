"""What the catalogue refuses."""

from core.errors import Conflict, InvalidInput


class OutOfStock(Conflict):
    """There is less on hand than was asked for; each error names one variant and what is left."""

    code = "out_of_stock"


class InUse(Conflict):
    """Something refers to it, so it cannot be deleted."""

    code = "in_use"


class Taken(InvalidInput):
    """A SKU or slug belongs to something else."""

    code = "taken"


class TakenMeanwhile(Conflict):
    """While it was away, something else has got its slug or one of its SKUs."""

    code = "taken"
