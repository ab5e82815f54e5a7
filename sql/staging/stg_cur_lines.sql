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
-- column: instance_type | instance type of EC2 or SageMaker (ml.), from the usage type where the product does not say, '' where it has none
-- column: is_upfront | a commitment paid once, whose cost AWS spreads over its use
-- column: is_block_fee | the fee of a Capacity Block, which AWS spreads over nothing: int_capacity_blocks does
-- column: commitment_kind | savings_plan or reserved_instance, '' for none
-- column: commitment_id | ARN of the Savings Plan or reserved instance, '' for none or where the export leaves it out
-- column: commitment_used_usd | USD that the line drew of its commitment, upfront spread, before private discounts; NULL elsewhere
-- column: commitment_unused_usd | on the fee line of a commitment what nobody drew of it in that time, before private discounts; NULL elsewhere
-- column: commitment_usd | on the fee line of a commitment what it costs for that time, upfront spread, before private discounts; NULL elsewhere
-- column: capacity_reservation_id | capacity reservation or Capacity Block (cr-…) of the line, '' for none or where the export leaves it out
-- column: is_invoiced | the line names its invoice: the bill is final
-- column: usage_amount | amount in the pricing unit (hours for instances)
-- column: billed_cost_usd | USD as invoiced (unblended); private discounts are lines of their own, where the export tells them as lines
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: list_cost_usd | USD at public on-demand price; NULL where the line has none
-- column: product_name | product's name, '' where the export has none
-- column: operation | operation
-- column: payer_account_id | account that pays, '' where the export has none
-- column: payer_name | its name, '' where unknown
-- column: account_name | name of the usage account, '' where unknown
-- column: bill_type | Anniversary, Purchase or Refund
-- column: billing_entity | AWS or AWS Marketplace
-- column: legal_entity | who sold it
-- column: invoice_id | invoice, '' until the bill is final
-- column: description | description of the line
-- column: availability_zone | availability zone, '' where the line has none
-- column: pricing_unit | unit of usage_amount as AWS writes it
-- column: sku | SKU of the product, '' where the export has none
-- column: rate_id | price of that SKU, '' where the export has none
-- column: savings_plan_arn | Savings Plan of the line, '' where it has none
-- column: reservation_arn | reservation of the line, '' where it has none
-- column: reservation_unused_quantity | hours of a reservation that nobody used; NULL elsewhere
-- column: capacity_reservation_arn | capacity reservation of the line, '' where it has none
-- column: capacity_reservation_status | what AWS calls its use
-- column: tags | JSON object of tags, keys as AWS writes them
-- column: cost_categories | JSON object of cost categories
-- check:  fail | usage_end_at is null or usage_end_at >= usage_start_at | a line cannot end before it starts
-- check:  fail | billed_cost_usd is not null | a line without a cost cannot be conserved
-- check:  fail | effective_cost_usd is not null | a line without a cost cannot be conserved
-- check:  fail | query: select export_name, billing_period, reject_count from raw_deliveries where source = 'cur' qualify reject_count > 0 and row_number() over (partition by export_name, billing_period order by delivered_at desc, delivery_id desc) = 1 | lines of the current bill could not be read (see raw_rejects): their money is missing
-- check:  warn | query: select export_name, billing_period, commitment_id, sum(commitment_usd) as commitment_usd, sum(commitment_used_usd) as used_usd, sum(commitment_unused_usd) as unused_usd from stg_cur_lines where commitment_id <> '' and (commitment_kind = 'savings_plan' or delivered_at >= cast(billing_period as timestamptz) + interval 1 month) group by export_name, billing_period, commitment_id having sum(commitment_usd) is not null and abs(sum(commitment_usd) - coalesce(sum(commitment_used_usd), 0) - coalesce(sum(commitment_unused_usd), 0)) > 0.01 + 0.0001 * sum(commitment_usd) | used and unused do not add up to what the commitment costs in the month: the bill lacks uses by other accounts (export from the payer), or lines
-- check:  warn | query: select d.export_name, c.billing_period, sum(c.unblended_cost) as billed_usd, sum(coalesce(c.net_unblended_cost, c.unblended_cost)) as net_usd from stg_cur_costs as c join (select delivery_id, export_name from raw_deliveries where source = 'cur' qualify row_number() over (partition by export_name, billing_period order by delivered_at desc, delivery_id desc) = 1) as d using (delivery_id) where c.has_net_columns group by d.export_name, c.billing_period having sum(c.unblended_cost) <> sum(coalesce(c.net_unblended_cost, c.unblended_cost)) and not bool_or(c.record_type like '%Discount') | private discounts stand in no line of the bill: billed is above the invoice, effective is right. Set INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY of the export to TRUE, and they come as lines
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
        -- SageMaker writes the component behind the type: ml.g5.xlarge-Hosting
        nullif(
            case when starts_with(instance_type, 'ml.') then regexp_extract(instance_type, '^[^-]+') else instance_type end, ''
        ),
        regexp_extract(usage_type, '[a-z]:((?:ml\.)?[a-z0-9-]+\.[a-z0-9-]+)', 1)
    ) as instance_type,
    is_upfront,
    record_type in ('Fee', 'Upfront')
    and not is_upfront
    and (contains(usage_type, 'CapacityBlock') or contains(coalesce(capacity_reservation_type, ''), 'Capacity Block'))
        as is_block_fee,
    case
        when record_type like 'SavingsPlan%' then 'savings_plan'
        when record_type in ('DiscountedUsage', 'RIFee') or is_upfront then 'reserved_instance'
        else ''
    end as commitment_kind,
    case
        when record_type like 'SavingsPlan%'
            then coalesce(nullif(savings_plan_arn, ''), regexp_extract(resource_id, '.*:savingsplan/.*'))
        when record_type in ('DiscountedUsage', 'RIFee') or is_upfront
            then coalesce(nullif(reservation_arn, ''), regexp_extract(resource_id, '.*:reserved-instances/.*'))
        else ''
    end as commitment_id,
    case record_type
        when 'SavingsPlanCoveredUsage' then sp_effective_cost
        when 'DiscountedUsage' then reservation_effective_cost
    end as commitment_used_usd,
    case record_type
        when 'SavingsPlanRecurringFee' then cast(sp_total_commitment - sp_used_commitment as decimal(38, 10))
        when 'RIFee'
            then cast(
                coalesce(reservation_unused_amortized_upfront_fee, 0) + coalesce(reservation_unused_recurring_fee, 0)
                as decimal(38, 10)
            )
    end as commitment_unused_usd,
    case record_type
        when 'SavingsPlanRecurringFee' then sp_total_commitment
        when 'RIFee' then cast(coalesce(reservation_amortized_upfront_fee, 0) + unblended_cost as decimal(38, 10))
    end as commitment_usd,
    coalesce(
        nullif(regexp_extract(coalesce(capacity_reservation_arn, ''), 'cr-[0-9a-z]+'), ''),
        regexp_extract(resource_id, '(?:^|/)(cr-[0-9a-z]+)$', 1)
    ) as capacity_reservation_id,
    coalesce(invoice_id, '') <> '' as is_invoiced,
    usage_amount,
    unblended_cost as billed_cost_usd,
    effective_cost_usd,
    public_on_demand_cost as list_cost_usd,
    coalesce(product_name, '') as product_name,
    operation,
    coalesce(payer_account_id, '') as payer_account_id,
    coalesce(payer_name, '') as payer_name,
    coalesce(account_name, '') as account_name,
    coalesce(bill_type, '') as bill_type,
    coalesce(billing_entity, '') as billing_entity,
    coalesce(legal_entity, '') as legal_entity,
    invoice_id,
    description,
    coalesce(availability_zone, '') as availability_zone,
    coalesce(pricing_unit, '') as pricing_unit,
    coalesce(sku, '') as sku,
    coalesce(rate_id, '') as rate_id,
    coalesce(savings_plan_arn, '') as savings_plan_arn,
    coalesce(reservation_arn, '') as reservation_arn,
    reservation_unused_quantity,
    coalesce(capacity_reservation_arn, '') as capacity_reservation_arn,
    coalesce(capacity_reservation_status, '') as capacity_reservation_status,
    coalesce(nullif(resource_tags, ''), '{}') as tags,
    coalesce(nullif(cost_category, ''), '{}') as cost_categories,
from numbered
