from django.db import migrations

# Words in the grammar of English, without accents; words of another language are cut in the same
# way where they stand and where they are looked for.
CONFIGURATION = """
CREATE TEXT SEARCH CONFIGURATION conversations (COPY = english);
ALTER TEXT SEARCH CONFIGURATION conversations
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, english_stem;
"""

# What an interaction is found by. A tsvector holds a megabyte: of a document with more words than
# that as many as fit, from its beginning. The path is the one of now, so that a dump, which has
# none, can be restored.
WORDS = """
CREATE FUNCTION conversations_words(agent_name text, sentiment text, custom jsonb)
RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path FROM CURRENT AS $$
DECLARE
    head CONSTANT text := agent_name || ' ' || sentiment;
    body text;
BEGIN
    BEGIN
        RETURN to_tsvector('conversations', head) || to_tsvector('conversations', custom);
    EXCEPTION WHEN program_limit_exceeded THEN
        -- As one array first: row by row, it takes minutes for a million of them.
        SELECT left(string_agg(each, ' '), 1000000) INTO body
        FROM jsonb_array_elements_text(
            jsonb_path_query_array(custom, 'strict $.** ? (@.type() == "string")')
        ) AS each;
    END;
    LOOP
        BEGIN
            RETURN to_tsvector('conversations', head || ' ' || body);
        EXCEPTION WHEN program_limit_exceeded THEN
            body := left(body, length(body) / 2);
        END;
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    # PostgreSQL's unaccent comes with the catalogue's search.
    dependencies = [("catalog", "0003_search")]

    operations = [
        migrations.RunSQL(CONFIGURATION, "DROP TEXT SEARCH CONFIGURATION conversations"),
        migrations.RunSQL(WORDS, "DROP FUNCTION conversations_words"),
    ]
