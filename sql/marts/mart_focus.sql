-- mart_focus: the allocated bill in FOCUS 1.2 columns with the allocation columns of 1.3, for tools that read FOCUS.
-- grain:  x_UsageHourStart, x_CostLineId, x_CostClass, x_WorkloadId, x_Chip, ChargeCategory
-- column: AllocatedMethodDetails | share of the origin charge, unit and quantity that gave it, as FOCUS 1.3 writes it; NULL for a charge that is not divided
-- column: AllocatedMethodId | how the origin charge was divided: by device-time, or by the allocation policy named, see docs/allocation.md; NULL for a charge that is not divided
-- column: AllocatedResourceId | workload that the part was held by, else its cost class; NULL for a charge that is not divided
-- column: AllocatedResourceName | name of that workload, else its cost class
-- column: AllocatedTags | JSON object of what is known of the workload: team, cost_center, kind, cluster, namespace
-- column: AvailabilityZone | availability zone
-- column: BilledCost | USD as invoiced
-- column: BillingAccountId | account that is billed
-- column: BillingAccountName | its name, its id where unknown
-- column: BillingAccountType | always Management: the account that pays
-- column: BillingCurrency | always USD
-- column: BillingPeriodEnd | start of the month after
-- column: BillingPeriodStart | start of the billed month
-- column: CapacityReservationId | capacity reservation
-- column: CapacityReservationStatus | Used or Unused
-- column: ChargeCategory | Usage, Purchase, Tax, Credit or Adjustment
-- column: ChargeClass | Correction for a correction of an earlier period
-- column: ChargeDescription | description of the line
-- column: ChargeFrequency | One-Time, Recurring or Usage-Based
-- column: ChargePeriodEnd | end of the charge, exclusive
-- column: ChargePeriodStart | start of the charge
-- column: CommitmentDiscountCategory | Spend (Savings Plan) or Usage (reservation)
-- column: CommitmentDiscountId | Savings Plan or reservation
-- column: CommitmentDiscountName | its name, its id where unknown
-- column: CommitmentDiscountQuantity | USD of a Savings Plan or hours of a reservation: bought, used or unused
-- column: CommitmentDiscountStatus | Used or Unused
-- column: CommitmentDiscountType | Savings Plan or Reserved Instance, or as the supplier calls it
-- column: CommitmentDiscountUnit | USD or Hours
-- column: ConsumedQuantity | quantity used; NULL for what is no use
-- column: ConsumedUnit | its unit
-- column: ContractedCost | USD at negotiated rates before commitments
-- column: ContractedUnitPrice | USD per pricing unit at those rates
-- column: EffectiveCost | USD after discounts, commitments and upfront fees spread over use
-- column: InvoiceId | invoice; NULL until the bill is final
-- column: InvoiceIssuerName | who sends the invoice
-- column: ListCost | USD at public price; where none is published the contracted cost, since FOCUS leaves no gap: see x_HasListPrice
-- column: ListUnitPrice | USD per pricing unit at that price
-- column: PricingCategory | Standard, Dynamic (spot), Committed or Other
-- column: PricingCurrency | always USD
-- column: PricingCurrencyContractedUnitPrice | ContractedUnitPrice
-- column: PricingCurrencyEffectiveCost | EffectiveCost
-- column: PricingCurrencyListUnitPrice | ListUnitPrice
-- column: PricingQuantity | quantity priced
-- column: PricingUnit | its unit
-- column: ProviderName | cloud that provides
-- column: PublisherName | who made what was bought
-- column: RegionId | AWS region
-- column: RegionName | the region, by its id
-- column: ResourceId | resource as the bill names it
-- column: ResourceName | its name, its id where unknown
-- column: ResourceType | kind of resource
-- column: ServiceCategory | category of the service
-- column: ServiceName | service
-- column: ServiceSubcategory | subcategory of the service
-- column: SkuId | what is sold
-- column: SkuMeter | meter: AWS usage type
-- column: SkuPriceDetails | nothing: prices are told in the columns beside
-- column: SkuPriceId | at which terms it is sold
-- column: SubAccountId | account that used
-- column: SubAccountName | its name, its id where unknown
-- column: SubAccountType | always Linked
-- column: Tags | JSON object of the line's tags
-- column: x_Chip | chip, other where the line has none
-- column: x_Cluster | cluster, '-' where unknown
-- column: x_CostCategories | JSON object of cost categories
-- column: x_CostCenter | cost center, '' where no rule names one
-- column: x_CostClass | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: x_CostLineId | line of the bill: the origin charge
-- column: x_CostSource | cur, focus or cost_explorer
-- column: x_EffectiveBasis | what EffectiveCost rests on: on_demand, spot, savings_plan, reservation, commitment_purchase, commitment_unused, capacity_unused or invoice
-- column: x_HasListPrice | a public price stands on the bill
-- column: x_InstanceId | EC2 instance, '' where the line has none
-- column: x_InstanceType | instance type, '' where the line has none
-- column: x_Operation | operation of the line
-- column: x_RecordType | record type of the line
-- column: x_ServiceCode | product code
-- column: x_Team | owning team on that day, '' where nothing names one: the team that inherits an account is in mart_chargeback_daily alone
-- column: x_UsageDate | UTC day the money belongs to
-- column: x_UsageHourStart | UTC hour the money belongs to
-- column: x_WorkloadId | workload, '' in the other classes
-- check:  fail | ChargeCategory <> 'Purchase' or CommitmentDiscountId is null or EffectiveCost = 0 | a commitment is paid for by its use, not by its purchase
-- check:  fail | (ConsumedQuantity is not null) = (ChargeCategory = 'Usage' and CommitmentDiscountStatus is distinct from 'Unused') | only what is used is consumed
-- check:  fail | ChargeClass is null or ChargeClass = 'Correction' | FOCUS knows no other class
-- check:  fail | ListUnitPrice is null or abs(ListUnitPrice * PricingQuantity - ListCost) <= 0.000000001 * greatest(abs(ListCost), 1) | list cost is price times quantity
-- check:  fail | ContractedUnitPrice is null or abs(ContractedUnitPrice * PricingQuantity - ContractedCost) <= 0.000000001 * greatest(abs(ContractedCost), 1) | contracted cost is price times quantity
-- check:  fail | query: select f.cost_line_id, f.usage_date from (select usage_date, cost_line_id, sum(billed_cost_usd) as billed, sum(effective_cost_usd) as effective from fct_cost_allocated_hourly where cost_status = 'billed' and usage_date >= $start_at and usage_date < $end_at group by usage_date, cost_line_id) as f full join (select x_UsageDate as usage_date, x_CostLineId as cost_line_id, sum(BilledCost) as billed, sum(EffectiveCost) as effective from mart_focus where x_UsageDate >= $start_at and x_UsageDate < $end_at group by x_UsageDate, x_CostLineId) as m using (usage_date, cost_line_id) where f.billed is distinct from m.billed or f.effective is distinct from m.effective | the charges of a line sum to the line, exactly
-- window: x_UsageDate

-- FOCUS writes its columns in PascalCase
-- noqa: disable=CP02
with facts as (
    select * rename (list_cost_usd as part_list_usd)
    from fct_cost_allocated_hourly
    where cost_status = 'billed' and usage_date >= $start_at and usage_date < $end_at
),

terms as (
    select * exclude (usage_hour_at, account_id)
    from int_line_terms
    where usage_hour_at >= cast($start_at as timestamptz) and usage_hour_at < cast($end_at as timestamptz)
),

spread as (
    select *
    from int_quantity_parts
    where usage_date >= $start_at and usage_date < $end_at
),

-- a tag that is renamed charges another team from that day on
workloads as (
    select
        cast(usage_hour_at as date) as usage_date,
        workload_id,
        max(workload) as workload,
        max(team) as team,
        max(cost_center) as cost_center,
        cast(
            json_object(
                'cluster', max(cluster),
                'cost_center', max(cost_center),
                'kind', max(kind),
                'namespace', max(namespace),
                'team', max(team)
            ) as varchar
        ) as workload_tags,
    from (
        select * exclude (instance_id, owner_id)
        from int_owner_workloads
        union all by name
        select * exclude (cost_line_id)
        from int_line_workloads
    )
    where usage_hour_at >= cast($start_at as timestamptz) and usage_hour_at < cast($end_at as timestamptz)
    group by cast(usage_hour_at as date), workload_id
),

joined as (
    select
        f.*,
        t.* exclude (cost_line_id),
        w.* exclude (usage_date, workload_id),
        s.weight,
        s.part_ratio,
        s.pricing_quantity as part_quantity,
        s.consumed_quantity as part_consumed,
        s.contracted_cost_usd as part_contracted_usd,
        s.weight is not null as is_spread,
        coalesce(t.pricing_quantity, 0) <> 0 as is_counted,
        -- the fee of a commitment is one line of CUR; FOCUS tells its purchase and its unused rest apart
        unnest(case when t.is_fee_and_rest then ['fee', 'rest'] else ['whole'] end) as side,
        -- what is sold without a quantity is sold once
        case
            when coalesce(t.pricing_quantity, 0) <> 0 then t.pricing_quantity
            when coalesce(t.list_cost_usd, 0) = 0 and t.contracted_cost_usd = 0 then 0
            else 1
        end as line_quantity,
    from facts as f
    join terms as t using (cost_line_id)
    left join workloads as w using (usage_date, workload_id)
    left join spread as s using (usage_hour_at, cost_line_id, cost_class, workload_id, chip)
),

-- what a plan pays is taken off the invoice by a negation, which has no price of its own
sides as (
    select
        *,
        if(side = 'rest', 'Usage', charge_category) as category,
        -- Cost Explorer tells of no commitment: what it leaves unused is a use of nothing
        case
            when commitment_discount_id is null then null
            when side = 'rest' then 'Unused'
            else commitment_discount_status
        end as status,
        if(side = 'rest', 0, billed_cost_usd) as billed_usd,
        if(side = 'fee', 0, effective_cost_usd) as effective_usd,
        if(is_spread, part_quantity, try_cast(line_quantity as decimal(38, 12))) as whole_quantity,
        case
            when side = 'rest' then 0
            when is_spread then part_consumed
            else try_cast(coalesce(consumed_quantity, line_quantity) as decimal(38, 12))
        end as whole_consumed,
        case
            when side = 'rest' or record_type = 'SavingsPlanNegation' then 0
            when side = 'fee' or charge_category not in ('Usage', 'Purchase') then billed_cost_usd
            when is_spread then part_contracted_usd
            else contracted_cost_usd
        end as contracted_usd,
        case
            when side = 'rest' or record_type = 'SavingsPlanNegation' then 0
            when side = 'fee' or charge_category not in ('Usage', 'Purchase') then billed_cost_usd
            when part_list_usd is not null then part_list_usd
            when is_spread then part_contracted_usd
            else contracted_cost_usd
        end as list_usd,
        coalesce(list_cost_usd, contracted_cost_usd) as line_list_usd,
    from joined
),

priced as (
    select
        *,
        category = 'Usage' and coalesce(status, '') <> 'Unused' as is_consumed,
        case
            when category not in ('Usage', 'Purchase') then null
            when side = 'rest' then 0
            else whole_quantity
        end as quantity,
        case
            when category not in ('Usage', 'Purchase') then null
            when side = 'rest' or line_quantity = 0 then 0
            when side = 'fee' then billed_cost_usd / line_quantity
            else contracted_cost_usd / line_quantity
        end as contracted_price,
        case
            when category not in ('Usage', 'Purchase') then null
            when side = 'rest' or line_quantity = 0 then 0
            when side = 'fee' then billed_cost_usd / line_quantity
            else line_list_usd / line_quantity
        end as list_price,
        case
            when commitment_discount_id is null or category not in ('Usage', 'Purchase') or charge_class is not null then null
            when commitment_discount_category = 'Spend' and category = 'Purchase' then billed_cost_usd
            when commitment_discount_category = 'Spend' then effective_usd
            when side = 'rest' then coalesce(unused_hours, 0)
            else whole_quantity
        end as commitment_quantity,
        case
            when side = 'fee' or (category = 'Purchase' and commitment_discount_id is not null) then 'commitment_purchase'
            when side = 'rest' or status = 'Unused' then 'commitment_unused'
            when capacity_reservation_status = 'Unused' then 'capacity_unused'
            when record_type = 'SavingsPlanCoveredUsage' then 'savings_plan'
            when record_type = 'DiscountedUsage' then 'reservation'
            when category <> 'Usage' then 'invoice'
            when pricing_category = 'Dynamic' then 'spot'
            else 'on_demand'
        end as effective_basis,
    from sides
)

select
    case
        when is_spread
            then
                '{"Elements":[{"AllocatedRatio":' || part_ratio || ',"UsageUnit":"Device Nanoseconds","UsageQuantity":'
                || weight || '}]}'
    end as AllocatedMethodDetails,
    case
        when is_spread and allocation_policy not in ('', 'accelerator_only') then 'chipledger/' || allocation_policy
        when is_spread then 'chipledger/device-time'
    end as AllocatedMethodId,
    case when is_spread then coalesce(nullif(workload_id, ''), cost_class) end as AllocatedResourceId,
    case when is_spread then coalesce(workload, cost_class) end as AllocatedResourceName,
    case when is_spread then workload_tags end as AllocatedTags,
    availability_zone as AvailabilityZone,
    cast(billed_usd as decimal(38, 10)) as BilledCost,
    payer_account_id as BillingAccountId,
    coalesce(payer_name, payer_account_id) as BillingAccountName,
    'Management' as BillingAccountType,
    'USD' as BillingCurrency,
    cast(billing_period + interval 1 month as timestamptz) as BillingPeriodEnd,
    cast(billing_period as timestamptz) as BillingPeriodStart,
    capacity_reservation_id as CapacityReservationId,
    case
        when capacity_reservation_id is not null and category = 'Usage' then coalesce(capacity_reservation_status, 'Used')
    end as CapacityReservationStatus,
    category as ChargeCategory,
    charge_class as ChargeClass,
    coalesce(charge_description, usage_type, record_type) as ChargeDescription,
    case when side = 'rest' then 'Usage-Based' else charge_frequency end as ChargeFrequency,
    charge_end_at as ChargePeriodEnd,
    charge_start_at as ChargePeriodStart,
    commitment_discount_category as CommitmentDiscountCategory,
    commitment_discount_id as CommitmentDiscountId,
    coalesce(commitment_discount_name, commitment_discount_id) as CommitmentDiscountName,
    cast(commitment_quantity as decimal(38, 12)) as CommitmentDiscountQuantity,
    case when commitment_discount_id is not null and category = 'Usage' then status end as CommitmentDiscountStatus,
    commitment_discount_type as CommitmentDiscountType,
    case when commitment_quantity is not null then if(commitment_discount_category = 'Spend', 'USD', 'Hours') end as CommitmentDiscountUnit,
    cast(case when is_consumed then whole_consumed end as decimal(38, 12)) as ConsumedQuantity,
    case when is_consumed then consumed_unit end as ConsumedUnit,
    cast(contracted_usd as decimal(38, 10)) as ContractedCost,
    cast(contracted_price as decimal(38, 15)) as ContractedUnitPrice,
    cast(effective_usd as decimal(38, 10)) as EffectiveCost,
    invoice_id as InvoiceId,
    coalesce(invoice_issuer, provider) as InvoiceIssuerName,
    cast(list_usd as decimal(38, 10)) as ListCost,
    cast(list_price as decimal(38, 15)) as ListUnitPrice,
    case when side = 'rest' then 'Committed' when side = 'fee' then 'Standard' else pricing_category end as PricingCategory,
    'USD' as PricingCurrency,
    cast(contracted_price as decimal(38, 15)) as PricingCurrencyContractedUnitPrice,
    cast(effective_usd as decimal(38, 10)) as PricingCurrencyEffectiveCost,
    cast(list_price as decimal(38, 15)) as PricingCurrencyListUnitPrice,
    cast(quantity as decimal(38, 12)) as PricingQuantity,
    case when quantity is not null then if(is_counted, pricing_unit, 'Units') end as PricingUnit,
    provider as ProviderName,
    coalesce(publisher, provider) as PublisherName,
    nullif(region, '') as RegionId,
    nullif(region, '') as RegionName,
    resource_id as ResourceId,
    coalesce(resource_name, resource_id) as ResourceName,
    resource_type as ResourceType,
    service_category as ServiceCategory,
    service_name as ServiceName,
    service_subcategory as ServiceSubcategory,
    sku_id as SkuId,
    coalesce(usage_type, sku_id) as SkuMeter,
    cast(null as varchar) as SkuPriceDetails,
    sku_price_id as SkuPriceId,
    account_id as SubAccountId,
    coalesce(account_name, account_id) as SubAccountName,
    'Linked' as SubAccountType,
    line_tags as Tags,
    chip as x_Chip,
    cluster as x_Cluster,
    cost_categories as x_CostCategories,
    coalesce(cost_center, '') as x_CostCenter,
    cost_class as x_CostClass,
    cost_line_id as x_CostLineId,
    cost_source as x_CostSource,
    effective_basis as x_EffectiveBasis,
    list_cost_usd is not null as x_HasListPrice,
    instance_id as x_InstanceId,
    instance_type as x_InstanceType,
    operation as x_Operation,
    record_type as x_RecordType,
    product_code as x_ServiceCode,
    coalesce(team, '') as x_Team,
    usage_date as x_UsageDate,
    usage_hour_at as x_UsageHourStart,
    workload_id as x_WorkloadId,
from priced
