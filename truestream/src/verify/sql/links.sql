-- Who used what in the last seven days, over the kinds of link that are switched on (:device, :ip_prefix, :payment).
used AS (
    SELECT 'device' AS link, device_id AS id, account_id FROM live WHERE :device AND device_id IS NOT NULL
    UNION
    SELECT 'ip_prefix', ip_prefix, account_id FROM live WHERE :ip_prefix AND ip_prefix IS NOT NULL
    UNION
    SELECT 'payment', payment_id, account_id
    FROM live JOIN account USING (account_id)
    WHERE :payment AND payment_id IS NOT NULL
),

crowd AS (
    SELECT link, id, count(*) AS accounts, min(account_id) AS first_account FROM used GROUP BY link, id
),

