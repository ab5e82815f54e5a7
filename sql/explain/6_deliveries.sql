-- The deliveries all this was read from: those of the bill, and those of telemetry that speak of its instances on that day.
with instances as (
    select distinct w.instance_id
    from int_hour_weights as w
    where w.workload_id = $workload_id and cast(w.usage_hour_at as date) = $usage_date
),

labels as (
    select distinct s.delivery_id
    from stg_dcgm_spans as s
    join int_accelerator_places as p on s.label_key = p.label_key
    where p.instance_id in (select i.instance_id from instances as i) and cast(p.seen_hour_at as date) = $usage_date
),

reports as (
    select distinct r.delivery_id
    from stg_neuron_reports as r
    where r.instance_id in (select i.instance_id from instances as i) and cast(r.sample_at as date) = $usage_date
),

bills as (
    select distinct
        s.cost_source,
        s.export_name,
        s.billing_period,
    from fct_cost_allocated_hourly as f
    join int_bill_sources as s
        on f.account_id = s.account_id and s.billing_period = cast(date_trunc('month', f.usage_hour_at) as date)
    where f.workload_id = $workload_id and f.usage_date = $usage_date and f.cost_status = 'billed'
    union
    -- the fee of a Capacity Block may stand in an earlier month's bill
    select
        b.cost_source,
        b.export_name,
        b.billing_period,
    from fct_cost_allocated_hourly as f
    join int_capacity_block_pieces as p on f.cost_line_id = p.cost_line_id
    join int_capacity_blocks as b on p.fee_line_id = b.fee_line_id
    where f.workload_id = $workload_id and f.usage_date = $usage_date and p.usage_hour_at = f.usage_hour_at
),

speaking as (
    select
        d.delivery_id,
        row_number() over (
            partition by d.source, d.export_name, d.billing_period order by d.delivered_at desc, d.delivery_id desc
        ) as rank,
    from raw_deliveries as d
    join bills as b
        on d.source = b.cost_source and d.export_name = b.export_name and d.billing_period = b.billing_period
)

select
    source,
    object,
    delivery_id,
    coalesce(delivered_at, observed_at) as told_at,
    arrived_at,
    row_count,
from raw_deliveries
where
    delivery_id in (
        select labels.delivery_id from labels
        union all
        select reports.delivery_id from reports
        union all
        select speaking.delivery_id from speaking
        where speaking.rank = 1
    )
order by source, told_at, object
