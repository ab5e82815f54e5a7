-- mart_chip_comparison: would a workload be cheaper on another chip, per price basis, with the evidence it rests on.
-- grain:  workload_id, chip_from, instance_type_from, chip_to, instance_type_to, price_basis
-- column: workload_id | workload, or -/-/published/<name> for what others measured
-- column: chip_from | chip it runs on, or was measured on
-- column: instance_type_from | instance type of that
-- column: chip_to | chip it is compared with
-- column: instance_type_to | instance type of that
-- column: price_basis | as in mart_chip_prices; the same on both sides
-- column: verdict | cheaper, dearer, overlapping (the interval holds 1), not measured, or no price
-- column: cost_ratio_low | lowest cost of the same work on the other type over the cost on the one; NULL without evidence or price
-- column: cost_ratio_mid | between
-- column: cost_ratio_high | highest
-- column: break_even_throughput_ratio | part of the one's throughput that the other must reach, per instance; NULL without price
-- column: required_throughput_ratio | the same with the cost of the move, paid back within the horizon; NULL where it cannot be within it, or the workload does not run
-- column: throughput_ratio_low | lowest throughput of the other over the one that the evidence allows, per instance
-- column: throughput_ratio_mid | between
-- column: throughput_ratio_high | highest
-- column: cost_usd_per_month | what 30 days as the last 30 cost on the one at this price basis; NULL where the workload does not run
-- column: saving_usd_per_month_low | least that the move saves in 30 days, negative where it costs more; the idle part of nodes that the job does not fill is counted
-- column: saving_usd_per_month_high | most
-- column: migration_cost_usd | cost of the move, from the settings
-- column: payback_days_low | days until the greatest saving has paid for the move; NULL where nothing is saved
-- column: payback_days_high | days until the least has; NULL where it never does
-- column: evidence_grade | grade of the weaker side; vendor claim where there is nothing better, none where there is nothing
-- column: figure_count | figures on both sides together
-- column: unit | what was counted, '' without evidence
-- column: latency_bar | bar that both sides kept, none where both ran without one, '' without evidence
-- column: fill_ratio_from_low | least filling of the one's instance in the interval
-- column: fill_ratio_from_high | most
-- column: fill_ratio_to_low | least filling of the other's
-- column: fill_ratio_to_high | most
-- column: usd_per_hour_from | USD per instance-hour of the one; NULL without price
-- column: usd_per_hour_to | USD per instance-hour of the other; NULL without price
-- column: price_region | region of the prices, '' without price
-- column: price_date | the older of the days on which both prices were last told; NULL without price
-- column: figure_set | whose figures speak: own, published, or the benchmark that the settings say it resembles; '' without evidence
-- column: source | where the figures come from
-- column: why | the verdict in words
-- check:  fail | verdict in ('cheaper', 'dearer', 'overlapping', 'not measured', 'no price') | a verdict is one of five
-- check:  fail | (verdict in ('cheaper', 'dearer', 'overlapping')) = (cost_ratio_mid is not null) | no verdict without a figure
-- check:  fail | verdict not in ('cheaper', 'dearer', 'overlapping') or evidence_grade not in ('none', 'vendor claim', 'withdrawn') | a vendor's claim carries no verdict
-- check:  fail | cost_ratio_low is null or cost_ratio_low <= cost_ratio_mid and cost_ratio_mid <= cost_ratio_high | an interval holds its middle

with recent as (
    select *
    from mart_workload_placement_daily
    where usage_date > (select max(n.usage_date) - 30 from mart_workload_placement_daily as n)
),

-- 30 days at the pace of the days since the first of them
running as (
    select
        workload_id,
        instance_type,
        arg_max(region, device_hours) as region,
        sum(device_hours) as device_hours,
        (select cast(max(r.usage_date) - min(r.usage_date) + 1 as integer) from recent as r) as day_count,
    from recent
    group by workload_id, instance_type
),

subjects as (
    select
        workload_id,
        instance_type,
        region,
        cast(device_hours as double) * 30 / day_count as month_device_hours,
    from running
    union all
    -- what does not run is compared between all that was measured
    select distinct
        b.workload_id,
        b.instance_type,
        '' as region,
        cast(null as double) as month_device_hours,
    from mart_benchmarks as b
    anti join running using (workload_id)
    where b.chip <> ''
),

targets as (
    select
        s.workload_id,
        t.instance_type,
    from (select distinct workload_id from running) as s
    cross join int_comparison_types as t
    where t.is_candidate
    union
    select
        workload_id,
        instance_type,
    from mart_benchmarks
    where chip <> ''
),

asked as (
    select
        s.workload_id,
        f.chip as chip_from,
        s.instance_type as instance_type_from,
        t.chip as chip_to,
        t.instance_type as instance_type_to,
        t.not_rentable_reason,
        p.price_basis,
        s.region,
        s.month_device_hours / f.device_count as month_instance_hours,
    from subjects as s
    join targets as g using (workload_id)
    join int_comparison_types as f on s.instance_type = f.instance_type
    join int_comparison_types as t on g.instance_type = t.instance_type
    cross join (
        select
            unnest([
                'on_demand', 'reserved_1y', 'reserved_3y', 'spot', 'capacity_block', 'on_demand_or_block', 'own_effective'
            ]) as price_basis
    ) as p
    where s.instance_type <> g.instance_type
),

current as (
    select *
    from mart_break_even
    where is_current
),

-- prices of the workload's region, else of us-east-1
priced as (
    select
        a.*,
        coalesce(h.break_even_throughput_ratio, u.break_even_throughput_ratio) as break_even,
        coalesce(h.usd_per_hour_from, u.usd_per_hour_from) as usd_from,
        coalesce(h.usd_per_hour_to, u.usd_per_hour_to) as usd_to,
        coalesce(h.region, u.region, '') as price_region,
        coalesce(h.price_date, u.price_date) as price_date,
    from asked as a
    left join current as h
        on
            a.instance_type_from = h.instance_type_from
            and a.instance_type_to = h.instance_type_to
            and a.price_basis = h.price_basis
            and a.region = h.region
    left join current as u
        on
            a.instance_type_from = u.instance_type_from
            and a.instance_type_to = u.instance_type_to
            and a.price_basis = u.price_basis
            and u.region = 'us-east-1'
),

-- figures that exist and do not make a pair
figures as (
    select
        workload_id,
        instance_type,
        bool_or(is_admissible) as is_measured,
        bool_or(evidence_grade = 'vendor claim') as is_claimed,
        arg_min(refused_because, benchmark_id) filter (where not is_admissible) as refused_because,
    from mart_benchmarks
    group by workload_id, instance_type
),

claims as (
    select
        instance_type_from,
        instance_type_to,
        min(claim) as claim,
    from int_vendor_claims
    where instance_type_from <> ''
    group by instance_type_from, instance_type_to
),

moves as (
    select
        w.workload_id,
        coalesce(max(own.migration_cost_usd), max(general.migration_cost_usd), 0) as migration_cost_usd,
        coalesce(max(general.horizon_months), 12) as horizon_months,
    from (select distinct workload_id from asked) as w
    left join int_comparison_settings as own
        on
            own.workload <> ''
            and (own.workload = w.workload_id or own.workload = split_part(w.workload_id, '/', 4))
    left join int_comparison_settings as general on general.workload = ''
    group by w.workload_id
),

joined as (
    select
        p.*,
        r.* exclude (workload_id, instance_type_from, instance_type_to, measured_date),
        m.migration_cost_usd,
        m.horizon_months,
        c.claim,
        coalesce(f.is_measured, false) as is_from_measured,
        coalesce(t.is_measured, false) as is_to_measured,
        coalesce(f.is_claimed, false) or coalesce(t.is_claimed, false) or c.claim is not null as is_claimed,
        coalesce(t.refused_because, case when t.is_measured then f.refused_because end, '') as refused_because,
        p.month_instance_hours * cast(p.usd_from as double) as month_usd,
        -- a job that does not fill its nodes bears what stands idle on them
        p.month_instance_hours * cast(p.usd_from as double)
        / coalesce(case when r.fill_ratio_from_low = r.fill_ratio_from_high then cast(r.fill_ratio_from_low as double) end, 1)
            as borne_usd,
        cast(p.break_even as double) / cast(r.throughput_ratio_high as double) as ratio_low,
        cast(p.break_even as double) / cast(r.throughput_ratio_mid as double) as ratio_mid,
        cast(p.break_even as double) / cast(r.throughput_ratio_low as double) as ratio_high,
    from priced as p
    join moves as m using (workload_id)
    left join mart_throughput_ratio as r using (workload_id, instance_type_from, instance_type_to)
    left join figures as f on p.workload_id = f.workload_id and p.instance_type_from = f.instance_type
    left join figures as t on p.workload_id = t.workload_id and p.instance_type_to = t.instance_type
    left join claims as c
        on p.instance_type_from = c.instance_type_from and p.instance_type_to = c.instance_type_to
),

judged as (
    select
        *,
        case
            when break_even is null or not_rentable_reason <> '' then 'no price'
            when ratio_mid is null then 'not measured'
            when ratio_high < 1 then 'cheaper'
            when ratio_low > 1 then 'dearer'
            else 'overlapping'
        end as verdict,
        borne_usd * (1 - ratio_high) as saving_low,
        borne_usd * (1 - ratio_low) as saving_high,
    from joined
)

select
    workload_id,
    chip_from,
    instance_type_from,
    chip_to,
    instance_type_to,
    price_basis,
    verdict,
    cast(ratio_low as decimal(18, 6)) as cost_ratio_low,
    cast(ratio_mid as decimal(18, 6)) as cost_ratio_mid,
    cast(ratio_high as decimal(18, 6)) as cost_ratio_high,
    break_even as break_even_throughput_ratio,
    cast(
        case
            when borne_usd * horizon_months > migration_cost_usd
                then break_even / (1 - cast(migration_cost_usd as double) / (borne_usd * horizon_months))
        end as decimal(18, 9)
    ) as required_throughput_ratio,
    throughput_ratio_low,
    throughput_ratio_mid,
    throughput_ratio_high,
    cast(month_usd as decimal(24, 2)) as cost_usd_per_month,
    cast(saving_low as decimal(24, 2)) as saving_usd_per_month_low,
    cast(saving_high as decimal(24, 2)) as saving_usd_per_month_high,
    migration_cost_usd,
    cast(case when saving_high > 0 then migration_cost_usd * 30 / saving_high end as decimal(24, 1)) as payback_days_low,
    cast(case when saving_low > 0 then migration_cost_usd * 30 / saving_low end as decimal(24, 1)) as payback_days_high,
    coalesce(evidence_grade, case when is_claimed then 'vendor claim' else 'none' end) as evidence_grade,
    coalesce(figure_count_from + figure_count_to, 0) as figure_count,
    coalesce(unit, '') as unit,
    coalesce(latency_bar, '') as latency_bar,
    fill_ratio_from_low,
    fill_ratio_from_high,
    fill_ratio_to_low,
    fill_ratio_to_high,
    usd_from as usd_per_hour_from,
    usd_to as usd_per_hour_to,
    price_region,
    price_date,
    coalesce(figure_set, '') as figure_set,
    coalesce(source, '') as source,
    case
        when not_rentable_reason <> '' then not_rentable_reason
        when verdict = 'no price' then concat('no ', price_basis, ' price is known for both types')
        when verdict = 'not measured' and is_from_measured and is_to_measured
            then 'measured on both, but never the same unit under the same latency bar by the same hand'
        when verdict = 'not measured' and refused_because <> '' then concat('figures are refused: ', refused_because)
        when verdict = 'not measured' and is_claimed
            then concat('only a vendor''s claim', coalesce(' ("' || claim || '")', ''), ': a claim is no measurement')
        when verdict = 'not measured' and is_from_measured
            then concat('nobody measured it on ', instance_type_to)
        when verdict = 'not measured' and is_to_measured
            then concat('nobody measured it on ', instance_type_from)
        when verdict = 'not measured' then 'nobody measured it on either'
        when
            verdict = 'overlapping'
            and (fill_ratio_from_low < fill_ratio_from_high or fill_ratio_to_low < fill_ratio_to_high)
            then 'it depends on how full the instance is that the job does not fill'
        when verdict = 'overlapping' then 'the evidence is not sharp enough to tell'
        when verdict = 'cheaper' then 'even the worst figures that the evidence allows are cheaper'
        else 'even the best figures that the evidence allows are dearer'
    end as why,
from judged
