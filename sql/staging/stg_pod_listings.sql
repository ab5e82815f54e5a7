-- stg_pod_listings: the UTC hours in which pods were listed.
-- grain:  listed_hour_at
-- column: listed_hour_at | UTC hour of the listing
-- column: listed_until_at | newest listing in that hour
-- check:  fail | listed_until_at >= listed_hour_at | a listing lies in its hour

select
    date_trunc('hour', observed_at) as listed_hour_at,
    max(observed_at) as listed_until_at,
from raw_pods
group by date_trunc('hour', observed_at)
