-- lockstep: pairs of accounts that played the same tracks at the same time, again and again.
moment AS MATERIALIZED (
    -- 600 000 ms are ten minutes.
    SELECT DISTINCT track_id, ended_at / 600000 AS bucket, account_id FROM live
),

-- Where more than 50 accounts meet, it is a premiere, not a pact.
meeting AS (
    SELECT track_id, bucket FROM moment GROUP BY track_id, bucket HAVING count(*) BETWEEN 2 AND 50
),

present AS MATERIALIZED (SELECT * FROM meeting JOIN moment USING (track_id, bucket))

SELECT a.account_id AS account_a, b.account_id AS account_b, count(*) AS shared
FROM present AS a
JOIN present AS b ON b.track_id = a.track_id AND b.bucket = a.bucket AND b.account_id > a.account_id
GROUP BY a.account_id, b.account_id
HAVING count(*) >= 5
ORDER BY a.account_id, b.account_id;
