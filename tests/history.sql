-- A shop that has been open for two years: 5,000 customers, 200,000 orders, each as it would stand
-- now. A hundredth of the orders is the customer L7's, and has the variant L-70. `tests/test_usual_lists.py` runs it in a database of its own.

-- Its rows fit one another; to check each reference would take longer than to write them.
SET session_replication_role = replica;

-- An index is quicker to build at the end than to keep up.
CREATE TEMPORARY TABLE put_off AS
SELECT index.indexrelid::regclass::text AS name, pg_get_indexdef(index.indexrelid) AS definition
FROM pg_index AS index LEFT JOIN pg_constraint ON conindid = index.indexrelid
WHERE conindid IS NULL AND index.indrelid IN (
    'orders_order'::regclass, 'orders_orderline'::regclass, 'orders_orderchange'::regclass,
    'catalog_stockmovement'::regclass
);
DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX ' || string_agg(name, ', ') FROM put_off); END $$;

INSERT INTO customers_customer (code, name, phone, email, language, updated_at)
SELECT 'L' || i, 'Customer ' || i, '+2547' || lpad(i::text, 8, '0'), '', 'en', now()
FROM generate_series(1, 5000) AS i;

INSERT INTO catalog_category (name, slug)
SELECT 'Shelf ' || i, 'shelf-' || i FROM generate_series(1, 40) AS i;

INSERT INTO catalog_product
    (name, slug, description, is_published, updated_at, price, category_id)
SELECT
    'Product ' || lpad((i * 7919 % 20000)::text, 5, '0'), 'product-' || i, '', i % 20 > 0, now(),
    10 + i % 500, (SELECT min(id) FROM catalog_category) + i % 40
FROM generate_series(1, 20000) AS i;

INSERT INTO catalog_variant (product_id, sku, name, price, stock, weight, low_stock_threshold)
SELECT id, 'L-' || row_number() OVER (ORDER BY id), '', price, 5 + id % 90, 0, 5
FROM catalog_product;

INSERT INTO orders_order (
    number, customer_id, status, currency, total, note, delivery_method, recipient, address_line_1,
    address_line_2, city, postcode, country, assigned_to_id, placed_at, updated_at
)
SELECT
    'L' || i,
    (SELECT min(id) FROM customers_customer WHERE code LIKE 'L%')
        + CASE WHEN i % 100 = 7 THEN 6 ELSE i * 7919::bigint % 5000 END,
    CASE
        WHEN i > 198000 AND i % 5 = 0 THEN 'draft'
        WHEN i > 198000 THEN 'pending'
        WHEN i > 197000 THEN 'accepted'
        WHEN i % 30 = 0 THEN 'cancelled'
        WHEN i % 100 = 1 THEN 'rejected'
        ELSE 'fulfilled'
    END,
    'KES', 10 + i * 31::bigint % 90000, '', 'collection', '', '', '', '', '', '',
    CASE WHEN i % 3 = 0 THEN (SELECT min(id) FROM accounts_user) END,
    now() - (200000 - i) * interval '5 minutes', now()
FROM generate_series(1, 200000) AS i;

INSERT INTO orders_orderline
    (order_id, variant_id, sku, name, unit_price, quantity, fulfilled, returned)
SELECT placed.id, variant.id, variant.sku, 'Product', variant.price, 1 + line, 0, 0
FROM orders_order AS placed
CROSS JOIN LATERAL generate_series(0, placed.id % 3) AS line
JOIN catalog_variant AS variant ON variant.sku = 'L-' || CASE
    WHEN placed.id % 100 = 7 AND line = 0 THEN 70
    ELSE 1 + (placed.id * 31 + line * 977) % 20000
END
WHERE placed.number LIKE 'L%';

INSERT INTO orders_orderchange (order_id, verb, from_status, to_status, at, reason, changes)
SELECT id, CASE status WHEN 'draft' THEN 'drafted' ELSE 'placed' END, '',
    CASE status WHEN 'draft' THEN 'draft' ELSE 'pending' END, placed_at, '', '{}'::jsonb
FROM orders_order WHERE number LIKE 'L%'
UNION ALL
SELECT id, status, 'pending', status, placed_at + interval '1 hour', '', '{}'::jsonb
FROM orders_order WHERE number LIKE 'L%' AND status NOT IN ('draft', 'pending');

INSERT INTO catalog_stockmovement (variant_id, kind, quantity, on_hand, "order", reason, at)
SELECT line.variant_id, 'sold', -line.quantity, 9, placed.number, '', placed.placed_at
FROM orders_orderline AS line JOIN orders_order AS placed ON placed.id = line.order_id
WHERE placed.number LIKE 'L%' AND placed.status <> 'draft'
ORDER BY placed.id;

SET session_replication_role = DEFAULT;
DO $$ BEGIN EXECUTE (SELECT string_agg(definition, ';') FROM put_off); END $$;
VACUUM (ANALYZE);
