-- stg_cur_lines: the lines of the current delivery of every CUR 2.0 export and billing period, with their cost bases.
-- grain:  cost_line_id
-- column: cost_line_id | export, billing period, start and line id; a line id repeated at that start gets its number
-- column: usage_hour_at | UTC hour in which the line starts
-- column: usage_start_at | start of the line
-- column: usage_end_at | end of the line, exclusive
-- column: export_name | export that delivered it
-- column: billing_period | first day of the billing period
-- column: delivered_at | when AWS delivered this version
-- column: account_id | usage account
-- column: region | AWS region, '' where the line has none
-- column: record_type | line_item_line_item_type
-- column: product_code | AWS product code
-- column: usage_type | AWS usage type
-- column: resource_id | resource of the line, '' where it has none
-- column: instance_type | EC2 instance type, from the usage type where the product does not say, '' where it has none
-- column: is_invoiced | the line names its invoice: the bill is final
-- column: usage_amount | amount in the pricing unit (hours for instances)
-- column: billed_cost_usd | USD as invoiced (unblended)
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: list_cost_usd | USD at public on-demand price; NULL where the line has none
-- check:  fail | usage_end_at is null or usage_end_at >= usage_start_at | a line cannot end before it starts
-- check:  fail | billed_cost_usd is not null | a line without a cost cannot be conserved
-- check:  fail | effective_cost_usd is not null | a line without a cost cannot be conserved
-- check:  fail | query: select export_name, billing_period, reject_count from raw_deliveries where source = 'cur' qualify reject_count > 0 and row_number() over (partition by export_name, billing_period order by delivered_at desc, delivery_id desc) = 1 | lines of the current bill could not be read (see raw_rejects): their money is missing
-- window: usage_hour_at

with current_deliveries as (
    select
        delivery_id,
        export_name,
        delivered_at,
    from raw_deliveries
    where source = 'cur'
    qualify row_number() over (
        partition by export_name, billing_period
        order by delivered_at desc, delivery_id desc
    ) = 1
),

lines as (
    select
        l.*,
        d.delivered_at,
        d.export_name,
        concat_ws(
            '/',
            d.export_name,
            strftime(l.billing_period, '%Y-%m'),
            strftime(l.usage_start_at, '%Y%m%dT%H%M%SZ'),
            coalesce(nullif(l.line_item_id, ''), 'line-' || l.line_number)
        ) as line_key,
    from stg_cur_costs as l
    join current_deliveries as d using (delivery_id)
    where l.usage_start_at >= $start_at and l.usage_start_at < $end_at
),

numbered as (
    select
        *,
        row_number() over (partition by line_key order by line_number) as occurrence,
    from lines
)

select
    case when occurrence = 1 then line_key else line_key || '#' || occurrence end as cost_line_id,
    date_trunc('hour', usage_start_at) as usage_hour_at,
    usage_start_at,
    usage_end_at,
    export_name,
    billing_period,
    delivered_at,
    account_id,
    region,
    record_type,
    product_code,
    usage_type,
    resource_id,
    coalesce(
        nullif(instance_type, ''),
        regexp_extract(usage_type, '(?:Usage|UnusedBox|UnusedDed):([a-z0-9-]+\.[a-z0-9-]+)', 1)
    ) as instance_type,
    coalesce(invoice_id, '') <> '' as is_invoiced,
    usage_amount,
    unblended_cost as billed_cost_usd,
    effective_cost_usd,
    public_on_demand_cost as list_cost_usd,
from numbered
