-- int_cost_lines: every line of the bill once, from the one source that speaks for its account and billing period, with its class.
-- grain:  cost_line_id
-- column: cost_line_id | line of the bill
-- column: usage_hour_at | UTC hour in which the line starts
-- column: usage_date | UTC day in which the line starts
-- column: usage_end_at | end of the line, exclusive; NULL where the bill does not tell
-- column: cost_source | cur, focus or cost_explorer
-- column: billing_period | first day of the billing period
-- column: delivered_at | when the supplier made this version
-- column: provider | cloud that bills: AWS, or the provider that a FOCUS bill names
-- column: account_id | usage account
-- column: region | region, '' where the line has none
-- column: record_type | record type of the line
-- column: usage_type | AWS usage type
-- column: instance_id | EC2 instance of an instance line, '' elsewhere
-- column: instance_type | instance type of EC2 or SageMaker (ml.), '' where the line has none
-- column: chip | chip of that type, other where the line has none
-- column: is_spot | the usage type says spot
-- column: line_class | accelerator: spread by device time; else the cost class of the whole line
-- column: commitment_kind | savings_plan, reserved_instance or capacity_block, '' for none or where the source does not tell
-- column: commitment_id | ARN of the plan or reserved instance, or the block (cr-…), '' for none or where the source does not tell
-- column: commitment_used_usd | USD that the line drew of its commitment, upfront spread; NULL elsewhere
-- column: commitment_unused_usd | on the line of a commitment that says so: what nobody drew of it; NULL elsewhere
-- column: shifted_cost_usd | effective USD that spreading the fee of a Capacity Block moved here (negative: away from its fee), 0 elsewhere
-- column: usage_ms | milliseconds of instance time billed by an accelerator line, 0 elsewhere
-- column: billed_cost_usd | USD as invoiced
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: list_cost_usd | USD at public on-demand price; NULL where the line has none
-- check:  fail | line_class in ('accelerator', 'idle.reserved_unused', 'shared', 'unattributed', 'adjustment') | every line has a class
-- check:  fail | query: select s.fee_line_id from int_capacity_blocks as s join int_cost_lines as l on s.fee_line_id = l.cost_line_id where s.start_at is not null and l.usage_hour_at >= $start_at and l.usage_hour_at < $end_at and (l.effective_cost_usd <> 0 or l.shifted_cost_usd <> -s.fee_usd) | a fee that is spread over its block has no cost left of its own
-- check:  warn | line_class <> 'accelerator' or cost_source = 'cost_explorer' or (usage_ms <= 3600000 and coalesce(usage_end_at <= usage_hour_at + interval 1 hour, true)) | an instance line longer than an hour: ask AWS for an HOURLY export, or the day is judged by its first hour
-- check:  warn | query: select distinct account_id, billing_period from stg_cost_explorer_groups anti join int_bill_sources using (account_id, billing_period) | these accounts have Cost Explorer alone: daily precision only
-- window: usage_hour_at

with exported as (
    select
        cost_line_id,
        usage_hour_at,
        usage_end_at,
        'cur' as cost_source,
        'AWS' as provider,
        export_name,
        billing_period,
        delivered_at,
        account_id,
        payer_account_id,
        region,
        record_type,
        product_code,
        usage_type,
        resource_id,
        instance_type,
        usage_amount,
        billed_cost_usd,
        effective_cost_usd,
        list_cost_usd,
        false as is_shared_service,
        false as is_unused,
        is_upfront,
        is_block_fee,
        commitment_kind,
        commitment_id,
        commitment_used_usd,
        commitment_unused_usd,
    from stg_cur_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all by name
    select
        cost_line_id,
        usage_hour_at,
        usage_end_at,
        'focus' as cost_source,
        provider,
        export_name,
        billing_period,
        delivered_at,
        account_id,
        payer_account_id,
        region,
        record_type,
        product_code,
        usage_type,
        resource_id,
        instance_type,
        usage_amount,
        billed_cost_usd,
        effective_cost_usd,
        list_cost_usd,
        is_shared_service,
        is_unused_reservation as is_unused,
        is_upfront,
        is_block_fee,
        commitment_kind,
        commitment_id,
        commitment_used_usd,
        commitment_unused_usd,
    from stg_focus_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

speaking as (
    select *
    from exported
    semi join int_bill_sources using (account_id, billing_period, payer_account_id, cost_source, export_name)
),

-- the fee of a Capacity Block leaves the hour in which it was charged
without_fees as (
    select
        s.* replace (case when b.start_at is null then s.effective_cost_usd else 0 end as effective_cost_usd),
        case when b.start_at is null then 0 else -b.fee_usd end as shifted_cost_usd,
    from speaking as s
    left join int_capacity_blocks as b on s.cost_line_id = b.fee_line_id
),

-- and comes back in the hours that it pays for
pieces as (
    select
        cost_line_id,
        usage_hour_at,
        usage_hour_at + interval 1 hour as usage_end_at,
        cost_source,
        'AWS' as provider,
        cast(date_trunc('month', usage_hour_at) as date) as billing_period,
        delivered_at,
        account_id,
        region,
        'Fee' as record_type,
        'AmazonEC2' as product_code,
        usage_type,
        coalesce(nullif(instance_id, ''), block_id) as resource_id,
        instance_type,
        cast(0 as decimal(38, 10)) as usage_amount,
        cast(0 as decimal(38, 10)) as billed_cost_usd,
        effective_cost_usd,
        cast(null as decimal(38, 10)) as list_cost_usd,
        false as is_shared_service,
        instance_id = '' as is_unused,
        false as is_upfront,
        false as is_block_fee,
        'capacity_block' as commitment_kind,
        block_id as commitment_id,
        case when instance_id <> '' then effective_cost_usd end as commitment_used_usd,
        case when instance_id = '' then effective_cost_usd end as commitment_unused_usd,
        effective_cost_usd as shifted_cost_usd,
    from int_capacity_block_pieces
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

lines as (
    select * exclude (export_name, payer_account_id)
    from without_fees
    union all by name
    select *
    from pieces
    union all by name
    select
        cost_line_id,
        usage_hour_at,
        usage_hour_at + interval 1 day as usage_end_at,
        'cost_explorer' as cost_source,
        'AWS' as provider,
        billing_period,
        delivered_at,
        account_id,
        '' as region,
        record_type,
        product_code,
        usage_type,
        '' as resource_id,
        instance_type,
        usage_amount,
        billed_cost_usd,
        effective_cost_usd,
        cast(null as decimal(38, 10)) as list_cost_usd,
        false as is_shared_service,
        false as is_unused,
        is_upfront,
        is_block_fee,
        case
            when record_type like 'SavingsPlan%' then 'savings_plan'
            when record_type in ('DiscountedUsage', 'RIFee') then 'reserved_instance'
            else ''
        end as commitment_kind,
        '' as commitment_id,
        case when record_type in ('SavingsPlanCoveredUsage', 'DiscountedUsage') then effective_cost_usd end
            as commitment_used_usd,
        case when record_type in ('SavingsPlanRecurringFee', 'RIFee') then effective_cost_usd end as commitment_unused_usd,
        0 as shifted_cost_usd,
    from stg_cost_explorer_groups
    anti join int_bill_sources using (account_id, billing_period)
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

kinds as (
    select
        lines.*,
        regexp_matches(lines.usage_type, '(^|[-:])(BoxUsage|SpotUsage|DedicatedUsage)(:|$)') as is_box_usage,
        lines.is_unused or regexp_matches(lines.usage_type, '(^|[-:])Unused(Box|Ded)') as is_unused_reservation,
        regexp_matches(
            lines.usage_type,
            'EBS:|VolumeUsage|VolumeIOUsage|SnapshotUsage|DataTransfer|NatGateway|LoadBalancer|LCUUsage|VpcEndpoint'
            || '|PublicIPv4|TransitGateway|-Bytes$|AmazonEKS'
        )
        or lines.product_code in ('AmazonEKS', 'AWSELB', 'AmazonVPC', 'AWSDataTransfer', 'AmazonEFS', 'AmazonFSx')
        or lines.product_code ilike '%Support%'
        or lines.product_code ilike '%Kubernetes%'
        or lines.record_type = 'Support'
        or lines.is_shared_service
        or regexp_matches(lines.usage_type, '(^|-)Support') as is_shared,
        lines.commitment_kind = 'capacity_block' as is_block_piece,
        coalesce(t.device_count, 0) > 0 as is_accelerated_type,
        coalesce(t.chip, 'other') as chip,
    from lines
    -- SageMaker rents EC2's types under names of its own: ml.p5.48xlarge
    left join seed_instance_types as t
        on t.instance_type = case when starts_with(lines.instance_type, 'ml.') then lines.instance_type[4:] else lines.instance_type end
),

classes as (
    select
        *,
        case
            when
                record_type in (
                    'Credit', 'Refund', 'Tax', 'SavingsPlanNegation', 'SavingsPlanUpfrontFee', 'Upfront', 'Rounding', 'Adjustment'
                )
                or record_type like '%Discount'
                or is_upfront
                or is_block_fee
                then 'adjustment'
            when record_type in ('RIFee', 'SavingsPlanRecurringFee') or is_unused_reservation
                then 'idle.reserved_unused'
            when
                ((record_type in ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage') and is_box_usage) or is_block_piece)
                and is_accelerated_type
                and (cost_source = 'cost_explorer' or resource_id like 'i-%' or resource_id like '%:instance/i-%')
                then 'accelerator'
            when is_shared then 'shared'
            else 'unattributed'
        end as line_class,
    from kinds
)

select
    cost_line_id,
    usage_hour_at,
    cast(usage_hour_at as date) as usage_date,
    usage_end_at,
    cost_source,
    billing_period,
    delivered_at,
    provider,
    account_id,
    region,
    record_type,
    usage_type,
    case when line_class = 'accelerator' then regexp_extract(resource_id, 'i-[0-9a-f]+') else '' end as instance_id,
    instance_type,
    chip,
    contains(usage_type, 'SpotUsage') as is_spot,
    line_class,
    commitment_kind,
    commitment_id,
    commitment_used_usd,
    commitment_unused_usd,
    cast(shifted_cost_usd as decimal(38, 10)) as shifted_cost_usd,
    case
        when line_class = 'accelerator'
            then cast(round(coalesce(usage_amount, 0) * 3600000) as bigint)
        else 0
    end as usage_ms,
    billed_cost_usd,
    effective_cost_usd,
    list_cost_usd,
from classes
