import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.postgres.operations import TrigramExtension, UnaccentExtension
from django.db import migrations, models

# Words as they are written, without accents and capitals, in no language's grammar.
CONFIGURATION = """
CREATE TEXT SEARCH CONFIGURATION duka (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION duka
    ALTER MAPPING FOR
        asciihword, asciiword, hword, hword_asciipart, hword_numpart, hword_part, numhword,
        numword, word
    WITH unaccent, simple;
"""

# Whatever a product is found by is worked out in one place, when its row is written. Changes of
# variants and categories write the row as it was, which waits for whoever else is writing it: the
# last one sees what all before it committed.
TRIGGERS = r"""
CREATE FUNCTION catalog_product_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.price := coalesce(
        (
            SELECT min(price) FROM catalog_variant
            WHERE product_id = NEW.id
                AND (archived_at IS NULL OR archived_at = NEW.archived_at)
        ),
        CASE TG_OP WHEN 'UPDATE' THEN OLD.price ELSE 0 END
    );
    RETURN NEW;
END $$;

CREATE TRIGGER price BEFORE INSERT OR UPDATE ON catalog_product
    FOR EACH ROW EXECUTE FUNCTION catalog_product_price();

-- PostgreSQL's parser would take "TEA-250" for a word and a negative number, "a/b" for a path.
CREATE FUNCTION catalog_search_vector(text text) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT to_tsvector(
        'duka',
        regexp_replace(
            normalize(text, NFKC), '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+', ' ', 'g'
        )
    )
$$;

CREATE FUNCTION catalog_product_search() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    goods text;
    shelf text;
    found tsvector;
BEGIN
    IF TG_OP = 'INSERT' OR NEW.category_id IS DISTINCT FROM OLD.category_id THEN
        -- A renaming under way would not know of this product: wait for it.
        PERFORM FROM catalog_category WHERE id = NEW.category_id FOR SHARE;
    END IF;
    SELECT name INTO shelf FROM catalog_category WHERE id = NEW.category_id;
    SELECT string_agg(concat_ws(' ', name, sku), ' ' ORDER BY id) INTO goods
    FROM catalog_variant
    WHERE product_id = NEW.id AND (archived_at IS NULL OR archived_at = NEW.archived_at);
    found :=
        setweight(catalog_search_vector(concat_ws(' ', NEW.name, goods)), 'A')
        || setweight(catalog_search_vector(coalesce(shelf, '')), 'B')
        || setweight(catalog_search_vector(NEW.description), 'C');
    INSERT INTO catalog_searchentry AS entry (product_id, vector, words)
    VALUES (
        NEW.id, found, concat(' ', array_to_string(tsvector_to_array(ts_filter(found, '{a,b}')), ' '), ' ')
    )
    ON CONFLICT (product_id) DO UPDATE SET vector = EXCLUDED.vector, words = EXCLUDED.words
        WHERE entry.vector <> EXCLUDED.vector;
    RETURN NULL;
END $$;

CREATE TRIGGER search AFTER INSERT OR UPDATE ON catalog_product
    FOR EACH ROW EXECUTE FUNCTION catalog_product_search();

CREATE FUNCTION catalog_touch_products(keys bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- In the order of their keys, so that two such changes wait rather than deadlock.
    PERFORM FROM catalog_product WHERE id = ANY (keys) ORDER BY id FOR NO KEY UPDATE;
    UPDATE catalog_product SET price = price WHERE id = ANY (keys);
END $$;

CREATE FUNCTION catalog_variants_came_or_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalog_touch_products(ARRAY(SELECT DISTINCT product_id FROM changed));
    RETURN NULL;
END $$;

CREATE TRIGGER search_of_new AFTER INSERT ON catalog_variant
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_variants_came_or_went();

CREATE TRIGGER search_of_deleted AFTER DELETE ON catalog_variant
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_variants_came_or_went();

CREATE FUNCTION catalog_variant_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalog_touch_products(ARRAY[OLD.product_id, NEW.product_id]);
    RETURN NULL;
END $$;

-- Not where only the stock moves, which is most of the time.
CREATE TRIGGER search_of_changed AFTER UPDATE ON catalog_variant FOR EACH ROW
    WHEN (
        (OLD.product_id, OLD.sku, OLD.name, OLD.price, OLD.archived_at)
        IS DISTINCT FROM (NEW.product_id, NEW.sku, NEW.name, NEW.price, NEW.archived_at)
    )
    EXECUTE FUNCTION catalog_variant_changed();

CREATE FUNCTION catalog_category_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalog_touch_products(
        ARRAY(SELECT id FROM catalog_product WHERE category_id = NEW.id)
    );
    RETURN NULL;
END $$;

CREATE TRIGGER search AFTER UPDATE ON catalog_category FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION catalog_category_renamed();

ALTER TABLE catalog_searchentry
    ADD CONSTRAINT search_entry_of_a_product FOREIGN KEY (product_id) REFERENCES catalog_product (id)
        ON DELETE CASCADE;

-- What is there already.
UPDATE catalog_product SET price = price;
"""

UNDO = """
DROP FUNCTION catalog_product_price, catalog_product_search, catalog_variants_came_or_went,
    catalog_variant_changed, catalog_category_renamed CASCADE;
DROP FUNCTION catalog_touch_products, catalog_search_vector;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_selling"),
    ]

    operations = [
        TrigramExtension(),
        UnaccentExtension(),
        migrations.RunSQL(CONFIGURATION, "DROP TEXT SEARCH CONFIGURATION duka"),
        migrations.AlterField(
            model_name="product",
            name="slug",
            field=models.SlugField(blank=True, db_index=False, max_length=220),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(
                condition=models.Q(("archived_at", None)),
                fields=("slug",),
                name="product_slug_is_unique",
                violation_error_message="Something else has this slug.",
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(
                fields=["slug"], name="product_by_slug", opclasses=["varchar_pattern_ops"]
            ),
        ),
        migrations.AlterField(
            model_name="product",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["created_at", "id"], name="product_by_time"),
        ),
        migrations.AddField(
            model_name="product",
            name="price",
            field=models.DecimalField(decimal_places=2, default=0, editable=False, max_digits=12),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["price", "id"], name="product_by_price"),
        ),
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                (
                    "product",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="search_entry",
                        serialize=False,
                        to="catalog.product",
                    ),
                ),
                ("vector", django.contrib.postgres.search.SearchVectorField()),
                ("words", models.TextField()),
            ],
        ),
        migrations.AddIndex(
            model_name="searchentry",
            index=django.contrib.postgres.indexes.GinIndex(
                fastupdate=False, fields=["vector"], name="search_entry_by_word"
            ),
        ),
        migrations.AddIndex(
            model_name="searchentry",
            index=django.contrib.postgres.indexes.GinIndex(
                fastupdate=False,
                fields=["words"],
                name="search_entry_by_trigram",
                opclasses=["gin_trgm_ops"],
            ),
        ),
        migrations.RunSQL(TRIGGERS, UNDO),
    ]
