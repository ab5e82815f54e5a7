-- stg_focus_lines: the lines of the current FOCUS bill of every account, in the terms of the AWS bill, with their cost bases.
-- grain:  cost_line_id
-- column: cost_line_id | export, billing period, start and a fingerprint of the line; a repeated fingerprint gets its number
-- column: usage_hour_at | UTC hour in which the charge starts
-- column: usage_start_at | start of the charge
-- column: usage_end_at | end of the charge, exclusive
-- column: export_name | export that delivered it, 'files' for files without a Manifest
-- column: billing_period | first day of the billing period
-- column: delivered_at | when the supplier delivered this version
-- column: focus_version | FOCUS version that the columns tell
-- column: provider | cloud; AWS whatever the spelling
-- column: account_id | sub account (AWS account, Azure subscription, Google project), else the billing account
-- column: region | region, '' where the line has none
-- column: record_type | the charge in the words of the AWS bill, from category, class, commitment and frequency
-- column: charge_category | ChargeCategory as delivered
-- column: product_code | AWS product code, else the service's name
-- column: usage_type | AWS usage type or the other cloud's meter
-- column: resource_id | resource, else the commitment, '' where the line has neither
-- column: instance_type | instance type of EC2 or SageMaker (ml.) of an AWS usage type, '' elsewhere
-- column: is_shared_service | storage or network of another cloud, whose usage types say nothing
-- column: is_unused_reservation | a capacity reservation that nothing ran in
-- column: is_upfront | a commitment paid once, whose effective cost the format spreads over its use
-- column: is_block_fee | the fee of a Capacity Block whose effective cost the bill leaves at its purchase
-- column: commitment_kind | savings_plan or reserved_instance, '' for none
-- column: commitment_id | CommitmentDiscountId
-- column: commitment_used_usd | EffectiveCost of what a commitment covered; NULL elsewhere
-- column: commitment_unused_usd | EffectiveCost of what nobody used of a commitment; NULL elsewhere
-- column: capacity_reservation_id | capacity reservation or Capacity Block (cr-…) of the line, '' for none
-- column: is_invoiced | the line names its invoice (since 1.2): the bill is final
-- column: usage_amount | hours where the line is metered in hours, else the quantity in its own unit
-- column: billed_cost_usd | BilledCost
-- column: effective_cost_usd | EffectiveCost
-- column: list_cost_usd | ListCost; NULL where the line has none
-- column: payer_account_id | account that pays, '' where the bill names none
-- column: payer_name | its name, '' where unknown
-- column: account_name | name of the usage account, '' where unknown
-- column: publisher | who made it, '' where unknown
-- column: invoice_issuer | who sends the invoice, '' where unknown
-- column: invoice_id | invoice, '' until the bill is final
-- column: charge_class | Correction for a correction of an earlier period, else ''
-- column: charge_frequency | One-Time, Recurring or Usage-Based
-- column: description | description of the line
-- column: pricing_category | Standard, Dynamic, Committed or Other
-- column: pricing_quantity | quantity priced
-- column: pricing_unit | its unit
-- column: consumed_quantity | quantity consumed; NULL where the line is no use
-- column: consumed_unit | its unit
-- column: contracted_cost_usd | ContractedCost; NULL where absent
-- column: commitment_discount_id | commitment, '' where the line has none
-- column: commitment_discount_category | Spend or Usage
-- column: commitment_discount_type | kind of commitment as the supplier calls it
-- column: commitment_discount_name | its name
-- column: commitment_discount_status | Used or Unused
-- column: capacity_reservation_arn | capacity reservation as delivered, '' where the line has none
-- column: capacity_reservation_status | Used or Unused
-- column: service_name | ServiceName
-- column: service_category | ServiceCategory
-- column: service_subcategory | ServiceSubcategory, '' where absent
-- column: operation | x_Operation
-- column: sku_id | SkuId
-- column: sku_price_id | SkuPriceId
-- column: focus_resource_id | ResourceId as delivered
-- column: resource_name | ResourceName
-- column: resource_type | ResourceType
-- column: availability_zone | availability zone, '' where the line has none
-- column: tags | JSON object of tags
-- check:  fail | usage_end_at is null or usage_end_at >= usage_start_at | a charge cannot end before it starts
-- check:  fail | billed_cost_usd is not null and effective_cost_usd is not null | a line without a cost cannot be conserved
-- check:  warn | not is_upfront or effective_cost_usd = 0 | a commitment paid upfront has effective cost 0 in FOCUS; here it is booked twice, at purchase and in use
-- check:  fail | query: select export_name, billing_period, reject_count from raw_deliveries where source = 'focus' qualify reject_count > 0 and execution_id = first_value(execution_id) over (partition by export_name, billing_period order by delivered_at desc, execution_id desc) and row_number() over (partition by export_name, coalesce(cast(billing_period as varchar), object) order by delivered_at desc, delivery_id desc) = 1 | lines of a current bill could not be read (see raw_rejects): their money is missing until it is delivered again, whole, under the same name
-- check:  warn | query: select l.billing_account_id, l.sub_account_id, cast(l.charge_start_at as date) as usage_date, count(distinct d.export_name) as file_sets from raw_focus_lines as l join raw_deliveries as d using (delivery_id) where d.billing_period is null group by l.billing_account_id, l.sub_account_id, usage_date having count(distinct d.export_name) > 1 | several sets of files hold this account and day; only the newest speaks: put parts of one bill under one name with shard numbers (-00001, -00002)
-- window: usage_hour_at

with deliveries as (
    select
        delivery_id,
        export_name,
        billing_period,
        execution_id,
        object,
        delivered_at,
    from raw_deliveries
    where source = 'focus'
    -- of an export with a Manifest the newest delivery of the month speaks
    qualify
        billing_period is null
        or row_number() over (
            partition by export_name, billing_period
            order by delivered_at desc, delivery_id desc
        ) = 1
),

found as (
    select
        l.*,
        case when d.billing_period is null then 'files' else d.export_name end as export_name,
        d.billing_period is null as is_loose,
        d.execution_id,
        d.object,
        d.delivered_at,
        cast(l.charge_start_at as date) as charge_date,
    from stg_focus_costs as l
    join deliveries as d using (delivery_id)
    where l.charge_start_at >= date_trunc('day', $start_at) and l.charge_start_at < date_trunc('day', $end_at) + interval 1 day
),

-- without a Manifest the newest set of files (one name but for shard numbers) speaks for each account-day it holds
loose as (
    select distinct
        billing_account_id,
        account_id,
        billing_period,
        charge_date,
        execution_id,
        object,
        delivered_at,
        delivery_id,
    from found
    where is_loose
),

speaking as (
    select
        billing_account_id,
        account_id,
        billing_period,
        charge_date,
        delivery_id,
    from loose
    qualify
        execution_id = first_value(execution_id)
            over (
                partition by billing_account_id, account_id, billing_period, charge_date
                order by delivered_at desc, execution_id desc
            )
        -- shards of one set are written within minutes; an older run of the set is replaced whole
        and delivered_at >= max(delivered_at) over (
            partition by billing_account_id, account_id, billing_period, charge_date, execution_id
        ) - interval 1 hour
        and row_number() over (
            partition by billing_account_id, account_id, billing_period, charge_date, execution_id, object
            order by delivered_at desc, delivery_id desc
        ) = 1
),

lines as (
    select * from found
    where
        charge_start_at >= $start_at
        and charge_start_at < $end_at
        and (
            not is_loose
            or (billing_account_id, account_id, billing_period, charge_date, delivery_id) in (
                select (s.billing_account_id, s.account_id, s.billing_period, s.charge_date, s.delivery_id) from speaking as s
            )
        )
),

described as (
    select
        *,
        lower(provider) in ('aws', 'amazon web services') as is_aws,
        concat_ws(
            '/',
            export_name,
            strftime(billing_period, '%Y-%m'),
            strftime(charge_start_at, '%Y%m%dT%H%M%SZ'),
            md5(concat_ws(
                '|', account_id, charge_end_at, charge_category, charge_class, charge_frequency, pricing_category,
                commitment_discount_id, commitment_discount_status, service_name, region, resource_id, sku_id,
                sku_price_id, sku_meter, operation, charge_description, pricing_quantity, billed_cost, effective_cost,
                list_cost, invoice_id, tags
            ))[:16]
        ) as line_key,
    from lines
),

numbered as (
    select
        *,
        row_number() over (partition by line_key order by delivery_id, line_number) as occurrence,
    from described
)

select
    case when occurrence = 1 then line_key else line_key || '#' || occurrence end as cost_line_id,
    date_trunc('hour', charge_start_at) as usage_hour_at,
    charge_start_at as usage_start_at,
    charge_end_at as usage_end_at,
    export_name,
    billing_period,
    delivered_at,
    focus_version,
    case when is_aws then 'AWS' else provider end as provider,
    account_id,
    region,
    record_type,
    charge_category,
    case when service_code <> '' then service_code else service_name end as product_code,
    sku_meter as usage_type,
    coalesce(nullif(resource_id, ''), commitment_discount_id) as resource_id,
    case
        when is_aws
            then regexp_extract(sku_meter, '[a-z]:((?:ml\.)?[a-z0-9-]+\.[a-z0-9-]+)', 1)
        else ''
    end as instance_type,
    not is_aws and service_category in ('Storage', 'Networking') as is_shared_service,
    charge_category = 'Usage' and capacity_reservation_status = 'Unused' as is_unused_reservation,
    is_upfront,
    is_aws and charge_category = 'Purchase' and charge_class <> 'Correction' and contains(sku_meter, 'CapacityBlock')
        as is_block_fee,
    case
        when commitment_discount_id = '' then ''
        when is_spend then 'savings_plan'
        else 'reserved_instance'
    end as commitment_kind,
    commitment_discount_id as commitment_id,
    case when charge_category = 'Usage' and commitment_discount_status = 'Used' then effective_cost end
        as commitment_used_usd,
    case when charge_category = 'Usage' and commitment_discount_status = 'Unused' then effective_cost end
        as commitment_unused_usd,
    regexp_extract(capacity_reservation_id, 'cr-[0-9a-z]+') as capacity_reservation_id,
    coalesce(invoice_id, '') <> '' as is_invoiced,
    case
        when consumed_unit ilike 'h%r%s%' then consumed_quantity
        when pricing_unit ilike 'h%r%s%' then pricing_quantity
        else coalesce(consumed_quantity, pricing_quantity)
    end as usage_amount,
    billed_cost as billed_cost_usd,
    effective_cost as effective_cost_usd,
    list_cost as list_cost_usd,
    coalesce(billing_account_id, '') as payer_account_id,
    coalesce(billing_account_name, '') as payer_name,
    coalesce(sub_account_name, '') as account_name,
    publisher,
    coalesce(invoice_issuer, '') as invoice_issuer,
    invoice_id,
    charge_class,
    charge_frequency,
    charge_description as description,
    pricing_category,
    pricing_quantity,
    pricing_unit,
    consumed_quantity,
    consumed_unit,
    contracted_cost as contracted_cost_usd,
    commitment_discount_id,
    commitment_discount_category,
    coalesce(commitment_discount_type, '') as commitment_discount_type,
    coalesce(commitment_discount_name, '') as commitment_discount_name,
    commitment_discount_status,
    capacity_reservation_id as capacity_reservation_arn,
    capacity_reservation_status,
    service_name,
    service_category,
    coalesce(service_subcategory, '') as service_subcategory,
    operation,
    sku_id,
    sku_price_id,
    resource_id as focus_resource_id,
    coalesce(resource_name, '') as resource_name,
    resource_type,
    coalesce(availability_zone, '') as availability_zone,
    coalesce(nullif(tags, ''), '{}') as tags,
from numbered
