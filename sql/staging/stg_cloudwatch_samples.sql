-- stg_cloudwatch_samples: what CloudWatch says of each series and period, told once: the newest observation, and no coarse period where a finer one is known.
-- grain:  series_key, sample_at
-- column: source | cloudwatch, or metric_stream where the figure came that way
-- column: series_key | what was measured (stg_cloudwatch_series)
-- column: sample_at | end of the period (CloudWatch stamps its start)
-- column: period_ms | period, milliseconds
-- column: value | in the canonical unit of seed_cloudwatch_metrics: ratio, bytes, watts, celsius
-- check:  fail | period_ms > 0 | a datapoint must stand for some time
-- check:  fail | query: select s.series_key from stg_cloudwatch_samples as s anti join stg_cloudwatch_series as n using (series_key) limit 20 | a series that nothing names is lost
-- window: sample_at
-- lookback: 1 hour

with newest as (
    select
        d.source,
        s.series_key,
        s.sample_at as start_at,
        d.interval_ms as period_ms,
        s.value,
    from raw_cloudwatch_samples as s
    join raw_deliveries as d using (delivery_id)
    where s.sample_at >= $start_at - interval 1 hour and s.sample_at < $end_at
    qualify row_number() over (
        partition by s.series_key, s.sample_at
        order by d.interval_ms, d.observed_at desc, delivery_id desc
    ) = 1
),

-- CloudWatch keeps old points coarser: where finer ones are known they speak. No period reaches over an hour's edge
finest as (
    select * from newest
    where period_ms <= 60000
    union all
    select c.*
    from newest as c
    anti join newest as f
        on
            c.series_key = f.series_key
            and epoch_ms(c.start_at) // 3600000 = epoch_ms(f.start_at) // 3600000
            and f.period_ms < c.period_ms
            and c.start_at <= f.start_at
            and c.start_at + to_milliseconds(c.period_ms) > f.start_at
    where c.period_ms > 60000
)

select
    f.source,
    f.series_key,
    f.start_at + to_milliseconds(f.period_ms) as sample_at,
    f.period_ms,
    f.value * cast(m.factor_to_canonical as double) as value,
from finest as f
left join raw_cloudwatch_series as n on f.series_key = n.series_key
left join seed_cloudwatch_metrics as m on n.metric_name = m.metric_name
where f.start_at + to_milliseconds(f.period_ms) >= $start_at and f.start_at + to_milliseconds(f.period_ms) < $end_at
