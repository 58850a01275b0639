-- account_group: accounts that are joined by what they used, directly or through others.
--
-- To join each account with the first of its crowd, there and back, is to join them all.
tie AS MATERIALIZED (
    SELECT first_account AS one, account_id AS other
    FROM used JOIN crowd USING (link, id)
    WHERE accounts <= :hub AND first_account <> account_id
    UNION
    SELECT account_id, first_account
    FROM used JOIN crowd USING (link, id)
    WHERE accounts <= :hub AND first_account <> account_id
),

reach AS (
    SELECT one AS account_id, one AS member FROM tie
    UNION
    SELECT reach.account_id, tie.other FROM reach JOIN tie ON tie.one = reach.member
)

SELECT account_id, min(member) AS group_id, count(*) AS size
FROM reach
GROUP BY account_id
ORDER BY account_id;
