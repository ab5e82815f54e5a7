-- int_line_terms: what each line of the bill says beside its money: charge, service, SKU, price, commitment, resource and tags, in FOCUS's terms.
-- grain:  cost_line_id
-- column: cost_line_id | line of the bill
-- column: usage_hour_at | UTC hour in which the line starts
-- column: charge_start_at | start of the line
-- column: charge_end_at | end of the line, exclusive
-- column: billing_period | first day of the billing period
-- column: provider | cloud that bills: AWS, or the provider that a FOCUS bill names
-- column: payer_account_id | account that is billed
-- column: payer_name | its name; NULL where unknown
-- column: account_id | account that used
-- column: account_name | its name; NULL where unknown
-- column: publisher | who made what was bought; NULL where unknown
-- column: invoice_issuer | who sends the invoice; NULL where unknown
-- column: invoice_id | invoice; NULL until the bill is final
-- column: product_code | code of the service on AWS's bill, else its name
-- column: charge_category | Usage, Purchase, Tax, Credit or Adjustment
-- column: charge_class | Correction for a correction of an earlier period, else NULL
-- column: charge_frequency | One-Time, Recurring or Usage-Based
-- column: charge_description | description; NULL where the line has none
-- column: is_fee_and_rest | one line of CUR that FOCUS tells as two: the fee of a commitment, and the unused rest of it
-- column: service_name | service
-- column: service_category | category of the service
-- column: service_subcategory | subcategory of the service
-- column: operation | operation of the line; NULL where it has none
-- column: usage_type | meter: AWS usage type; NULL where the line has none
-- column: sku_id | what is sold; NULL for taxes and where the line has none
-- column: sku_price_id | at which terms; NULL as sku_id
-- column: pricing_category | Standard, Dynamic, Committed or Other; NULL for what has no price
-- column: pricing_quantity | quantity priced; NULL where the line has none
-- column: pricing_unit | unit of it in FOCUS's spelling
-- column: consumed_quantity | quantity consumed; NULL where the line is no use
-- column: consumed_unit | unit of it in FOCUS's spelling
-- column: list_cost_usd | USD at public on-demand price of the whole line; NULL where the line has none
-- column: contracted_cost_usd | USD of the whole line at negotiated rates before commitments
-- column: commitment_discount_id | Savings Plan or reservation; NULL where the line has none
-- column: commitment_discount_category | Spend or Usage
-- column: commitment_discount_type | kind of commitment
-- column: commitment_discount_name | name of it; NULL where unknown
-- column: commitment_discount_status | Used or Unused; NULL where the line is no use of a commitment
-- column: unused_hours | hours of a reservation that nobody used; NULL elsewhere
-- column: capacity_reservation_id | capacity reservation; NULL where the line has none
-- column: capacity_reservation_status | Used or Unused
-- column: resource_id | resource; NULL where the line has none
-- column: resource_name | name of it; NULL where unknown
-- column: resource_type | kind of it as its id says; NULL without a resource
-- column: availability_zone | availability zone; NULL where the line has none
-- column: line_tags | JSON object of tags
-- column: cost_categories | JSON object of cost categories
-- check:  fail | charge_category in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') | FOCUS knows no other category
-- check:  fail | charge_frequency in ('One-Time', 'Recurring', 'Usage-Based') | FOCUS knows no other frequency
-- check:  fail | query: select l.cost_line_id, l.usage_hour_at from int_cost_lines as l anti join (select cost_line_id from int_line_terms where usage_hour_at >= $start_at and usage_hour_at < $end_at) as t using (cost_line_id) where l.usage_hour_at >= $start_at and l.usage_hour_at < $end_at | every line has its terms
-- window: usage_hour_at

with speaking as (
    select cost_line_id
    from int_cost_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

-- each supplier's own words; what only FOCUS says is NULL in the others
lines as (
    select *
    from stg_cur_lines
    semi join speaking using (cost_line_id)
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all by name
    select
        * exclude (resource_id),
        focus_resource_id as resource_id,
        service_name as product_name,
        true as is_focus,
    from stg_focus_lines
    semi join speaking using (cost_line_id)
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all by name
    select
        *,
        usage_hour_at as usage_start_at,
        usage_hour_at + interval 1 day as usage_end_at,
        account_id as payer_account_id,
    from stg_cost_explorer_groups
    semi join speaking using (cost_line_id)
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all by name
    -- an hour of a Capacity Block, paid for by its fee
    select
        cost_line_id,
        usage_hour_at,
        usage_hour_at as usage_start_at,
        usage_hour_at + interval 1 hour as usage_end_at,
        cast(date_trunc('month', usage_hour_at) as date) as billing_period,
        account_id,
        region,
        'Usage' as record_type,
        'AmazonEC2' as product_code,
        usage_type,
        coalesce(nullif(instance_id, ''), block_id) as resource_id,
        instance_type,
        cast(0 as decimal(38, 10)) as usage_amount,
        cast(0 as decimal(38, 10)) as billed_cost_usd,
        effective_cost_usd,
        block_id as capacity_reservation_arn,
        case when instance_id = '' then 'Unused' else 'Used' end as capacity_reservation_status,
    from int_capacity_block_pieces
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

spread_fees as (
    select fee_line_id
    from int_capacity_blocks
    where start_at is not null
),

-- what only a record type of AWS tells
kinds as (
    select
        * replace (
            coalesce(
                nullif(commitment_discount_id, ''),
                nullif(savings_plan_arn, ''),
                nullif(reservation_arn, ''),
                case
                    when record_type like 'SavingsPlan%Fee' or record_type = 'RIFee' or resource_id like '%:reserved-instances/%'
                        then nullif(resource_id, '')
                end
            ) as commitment_id
        ),
        coalesce(is_focus, false) as is_told_in_focus,
        record_type in ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage', '') as is_use,
        record_type in ('SavingsPlanCoveredUsage', 'DiscountedUsage') as is_covered,
        not coalesce(is_focus, false) and record_type in ('SavingsPlanRecurringFee', 'RIFee') as is_fee_and_rest,
        -- the fee of a Capacity Block that is spread over its hours is paid once too
        coalesce(is_upfront, false) or coalesce(is_block_fee and cost_line_id in (select fee_line_id from spread_fees), false)
            as is_upfront_fee,
        record_type like 'SavingsPlan%' as is_plan,
        regexp_matches(usage_type, '(^|[-:])Unused(Box|Ded)') as is_unused_box,
        coalesce(
            nullif(sku_id, ''),
            nullif(sku, ''),
            nullif(concat_ws(' ', nullif(product_code, ''), nullif(usage_type, ''), nullif(operation, '')), '')
        ) as sold_sku,
    from lines
),

terms as (
    select
        *,
        case
            -- what covers no later use is no purchase: its effective cost would have to be 0
            when
                is_told_in_focus
                and charge_category = 'Purchase'
                and commitment_id is null
                and effective_cost_usd <> 0
                and not is_upfront_fee
                then 'Usage'
            when is_told_in_focus then charge_category
            when is_use or (record_type = 'Fee' and not is_upfront_fee) then 'Usage'
            when is_upfront_fee or is_fee_and_rest then 'Purchase'
            when record_type in ('Tax', 'Credit') then record_type
            else 'Adjustment'
        end as category,
        case
            when is_told_in_focus then nullif(pricing_category, '')
            when is_covered then 'Committed'
            when contains(usage_type, 'SpotUsage') then 'Dynamic'
            else 'Standard'
        end as price_kind,
        case
            when is_told_in_focus then coalesce(nullif(pricing_unit, ''), consumed_unit)
            when pricing_unit <> '' then pricing_unit
            when instance_type <> '' then 'Hours'
        end as unit,
        coalesce(
            -- what was bought, where the commitment is the thing bought
            case when is_upfront_fee or is_fee_and_rest or charge_category = 'Purchase' then commitment_id end,
            nullif(resource_id, '')
        ) as what_id,
    from kinds
),

-- units as FOCUS spells them: Hours, GB-Months, Units
units as (
    select
        unit,
        case
            when regexp_matches(unit, '^(?i:h((ou)?rs?)?)$') then 'Hours'
            when regexp_matches(unit, '^[A-Za-z]+-Mo$') then unit || 'nths'
            when regexp_matches(unit, '^[A-Za-z]+-(?i:h((ou)?rs?)?)$') then split_part(unit, '-', 1) || '-Hours'
            when regexp_matches(unit, '^[0-9]*[A-Za-z][A-Za-z0-9]*( [A-Za-z][A-Za-z0-9]*)*$') then unit
            else 'Units'
        end as spelled,
    from (
        select unit from terms
        union
        select consumed_unit as unit from terms
    )
)

select
    t.cost_line_id,
    t.usage_hour_at,
    t.usage_start_at as charge_start_at,
    coalesce(t.usage_end_at, t.usage_start_at) as charge_end_at,
    t.billing_period,
    coalesce(t.provider, 'AWS') as provider,
    t.payer_account_id,
    nullif(t.payer_name, '') as payer_name,
    t.account_id,
    nullif(t.account_name, '') as account_name,
    coalesce(nullif(t.publisher, ''), nullif(t.legal_entity, '')) as publisher,
    -- AWS calls itself AWS as provider and by its legal name as issuer; to FOCUS two names are two parties
    case when t.is_told_in_focus and t.provider <> 'AWS' then nullif(t.invoice_issuer, '') else 'AWS' end as invoice_issuer,
    nullif(t.invoice_id, '') as invoice_id,
    t.product_code,
    t.category as charge_category,
    case
        when t.is_told_in_focus then nullif(t.charge_class, '')
        when t.record_type = 'Refund' then 'Correction'
    end as charge_class,
    case
        when t.is_told_in_focus and t.charge_frequency <> '' then t.charge_frequency
        when t.category = 'Usage' and t.record_type <> 'Fee' then 'Usage-Based'
        when t.is_fee_and_rest or t.record_type = 'Fee' and not t.is_upfront_fee then 'Recurring'
        else 'One-Time'
    end as charge_frequency,
    nullif(t.description, '') as charge_description,
    t.is_fee_and_rest,
    coalesce(s.service_name, nullif(t.product_name, ''), nullif(t.product_code, ''), 'Other') as service_name,
    -- one service has one category, whatever its single lines say
    coalesce(s.service_category, nullif(t.service_category, ''), 'Other') as service_category,
    coalesce(
        s.service_subcategory,
        nullif(t.service_subcategory, ''),
        'Other (' || coalesce(nullif(t.service_category, ''), 'Other') || ')'
    ) as service_subcategory,
    nullif(t.operation, '') as operation,
    nullif(t.usage_type, '') as usage_type,
    case when t.category <> 'Tax' then t.sold_sku end as sku_id,
    case
        when t.category <> 'Tax'
            then coalesce(
                nullif(t.sku_price_id, ''),
                nullif(t.rate_id, ''),
                t.sold_sku || ' ' || case when t.commitment_id is not null then 'Committed' else coalesce(t.price_kind, 'Standard') end
            )
    end as sku_price_id,
    case when t.category in ('Usage', 'Purchase') then coalesce(t.price_kind, 'Other') end as pricing_category,
    case when t.is_told_in_focus then coalesce(t.pricing_quantity, t.consumed_quantity) else t.usage_amount end
        as pricing_quantity,
    u.spelled as pricing_unit,
    case when t.category = 'Usage' then coalesce(t.consumed_quantity, t.usage_amount) end as consumed_quantity,
    case when t.category = 'Usage' then coalesce(c.spelled, u.spelled) end as consumed_unit,
    t.list_cost_usd,
    cast(
        case
            when t.is_told_in_focus then coalesce(t.contracted_cost_usd, t.effective_cost_usd)
            when t.record_type = 'DiscountedUsage' then coalesce(t.list_cost_usd, t.effective_cost_usd)
            when t.record_type = 'Usage' then t.effective_cost_usd
            else t.billed_cost_usd
        end as decimal(38, 10)
    ) as contracted_cost_usd,
    t.commitment_id as commitment_discount_id,
    case
        when t.commitment_id is null then null
        when t.commitment_discount_category <> '' then t.commitment_discount_category
        when t.is_plan or t.commitment_id like '%:savingsplan%' then 'Spend'
        else 'Usage'
    end as commitment_discount_category,
    case
        when t.commitment_id is null then null
        when t.commitment_discount_type <> '' then t.commitment_discount_type
        when t.is_plan or t.commitment_discount_category = 'Spend' or t.commitment_id like '%:savingsplan%' then 'Savings Plan'
        else 'Reserved Instance'
    end as commitment_discount_type,
    case when t.commitment_id is not null then nullif(t.commitment_discount_name, '') end as commitment_discount_name,
    case
        when t.commitment_id is null then null
        when t.is_told_in_focus then nullif(t.commitment_discount_status, '')
        when t.is_covered then 'Used'
    end as commitment_discount_status,
    t.reservation_unused_quantity as unused_hours,
    coalesce(
        nullif(t.capacity_reservation_arn, ''),
        nullif(t.capacity_reservation_id, ''),
        case when t.is_unused_box then nullif(t.resource_id, '') end
    ) as capacity_reservation_id,
    case
        when t.is_told_in_focus then nullif(t.capacity_reservation_status, '')
        when t.is_unused_box or t.capacity_reservation_status = 'Unused' then 'Unused'
        when t.capacity_reservation_arn <> '' then 'Used'
    end as capacity_reservation_status,
    t.what_id as resource_id,
    nullif(t.resource_name, '') as resource_name,
    case
        when t.what_id is null then null
        when t.resource_type <> '' then t.resource_type
        when t.what_id like 'arn:%'
            then coalesce(nullif(regexp_extract(t.what_id, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:([A-Za-z0-9-]+)[:/]', 1), ''), 'resource')
        when starts_with(t.what_id, 'i-') then 'instance'
        when starts_with(t.what_id, 'vol-') then 'volume'
        else 'resource'
    end as resource_type,
    nullif(t.availability_zone, '') as availability_zone,
    coalesce(t.tags, '{}') as line_tags,
    coalesce(t.cost_categories, '{}') as cost_categories,
from terms as t
left join seed_services as s using (product_code)
left join units as u on t.unit is not distinct from u.unit
left join units as c on t.consumed_unit <> '' and t.consumed_unit = c.unit
