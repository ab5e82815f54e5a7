-- mart_freshness: how old the newest data of each source is, against what is normal for it.
-- grain:  source
-- column: source | supplier
-- column: last_event_at | newest instant that its data speaks of; NULL where it never delivered
-- column: last_arrival_at | when its newest delivery arrived; NULL where it never delivered
-- column: expected_lag_seconds | normal distance between now and the newest event
-- column: lag_seconds | distance between the time of this build and the newest event
-- column: status | fresh, late or missing
-- check:  fail | status in ('fresh', 'late', 'missing') | no other state exists
-- check:  warn | status <> 'late' | figures of a late source are old: see last_event_at

with arrivals as (
    select
        source,
        -- the end is exclusive, a microsecond after the last instant
        date_trunc('millisecond', max(event_end_at)) as last_event_at,
        max(arrived_at) as last_arrival_at,
    from raw_deliveries
    group by source
)

select
    s.source,
    a.last_event_at,
    a.last_arrival_at,
    s.expected_lag_seconds,
    cast(epoch($as_of - a.last_event_at) as bigint) as lag_seconds,
    case
        when a.last_event_at is null then 'missing'
        when epoch($as_of - a.last_event_at) > s.expected_lag_seconds then 'late'
        else 'fresh'
    end as status,
from seed_sources as s
left join arrivals as a using (source)
