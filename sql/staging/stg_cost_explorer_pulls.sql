-- stg_cost_explorer_pulls: the daily groups of every Cost Explorer pull; stg_cost_explorer_groups keeps the newest of each account and day.
-- grain:  account_id, usage_date, pulled_at, record_type, usage_type, instance_type, service
-- column: account_id | linked account
-- column: usage_date | UTC day of the group
-- column: pulled_at | when the last page of the pull came; its pages are seconds apart, another pull more than 15 minutes
-- column: delivered_at | when the group's page came
-- column: landed_number | number in the ledger of the page's delivery
-- column: record_type | RECORD_TYPE group key in the words of CUR: Recurring is RIFee, Enterprise Discount Program Discount is EdpDiscount
-- column: usage_type | USAGE_TYPE group key
-- column: instance_type | INSTANCE_TYPE group key
-- column: service | SERVICE group key
-- column: usage_quantity | UsageQuantity (hours for instances); NULL where not asked
-- column: unblended_cost | UnblendedCost
-- column: blended_cost | BlendedCost; NULL where not asked
-- column: effective_cost_usd | NetAmortizedCost where the payer has it, else AmortizedCost
-- column: estimated | AWS still calls the day estimated
-- check:  fail | unblended_cost is not null and effective_cost_usd is not null | a group without a cost cannot be conserved
-- window: usage_date

with pages as (
    select
        g.*,
        d.delivered_at,
        coalesce(d.landed_number, 0) as landed_number,
        d.delivered_at - lag(d.delivered_at, 1, d.delivered_at)
            over (partition by g.account_id, g.usage_date order by d.delivered_at)
        > interval 15 minutes as is_another_pull,
    from raw_cost_explorer_groups as g
    join raw_deliveries as d using (delivery_id)
),

numbered as (
    select
        *,
        count(*) filter (where is_another_pull)
            over (partition by account_id, usage_date order by delivered_at range unbounded preceding) as pull_number,
    from pages
),

pulls as (
    select
        *,
        max(delivered_at) over (partition by account_id, usage_date, pull_number) as pulled_at,
    from numbered
),

newest as (
    select *
    from pulls
    where delivered_at >= pulled_at - interval 15 minutes
    -- a group asked for twice within one pull: the later answer
    qualify row_number() over (
        partition by account_id, usage_date, pull_number, record_type, usage_type, instance_type, service
        order by delivered_at desc, delivery_id desc, group_number desc
    ) = 1
)

select
    account_id,
    usage_date,
    pulled_at,
    delivered_at,
    landed_number,
    case record_type
        when 'Recurring' then 'RIFee'
        when 'Enterprise Discount Program Discount' then 'EdpDiscount'
        when 'Private Rate Card Discount' then 'PrivateRateDiscount'
        when 'Solution Provider Program Discount' then 'SppDiscount'
        when 'Bundled Discount' then 'BundledDiscount'
        when 'Support fee' then 'Support'
        else record_type
    end as record_type,
    usage_type,
    instance_type,
    service,
    usage_quantity,
    unblended_cost,
    blended_cost,
    coalesce(net_amortized_cost, amortized_cost, unblended_cost) as effective_cost_usd,
    estimated,
from newest
