-- It may do what the owner of one database may: the extensions that migrations make (btree_gist,
-- pg_trgm, unaccent) are trusted ones, which need no superuser.
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SELECT format($$CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'$$,
              :'database', :'role')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
-- Nobody else connects to it: by default everybody may.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
WHERE datname = :'database' AND (datacl IS NULL OR EXISTS
    (SELECT FROM aclexplode(datacl) WHERE grantee = 0)) \gexec
