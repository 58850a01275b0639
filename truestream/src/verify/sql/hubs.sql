-- hubs: what more than :hub accounts used, which therefore joins nobody.
hub AS (SELECT link, id, accounts FROM crowd WHERE accounts > :hub)

SELECT link, id, accounts FROM hub ORDER BY link, id;
