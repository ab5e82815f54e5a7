-- raw_focus_lines: lines of FOCUS bills, 1.0 to 1.3, of any cloud, in FOCUS's own terms.
-- grain:  delivery_id, line_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: line_number | position of the line over the delivery's chunks, from 1
-- column: focus_version | version that the columns tell: 1.0, 1.1, 1.2 or 1.3
-- column: billing_period | first day of the month of BillingPeriodStart
-- column: charge_start_at | ChargePeriodStart
-- column: charge_end_at | ChargePeriodEnd, exclusive
-- column: provider | ProviderName
-- column: publisher | PublisherName
-- column: billing_account_id | BillingAccountId
-- column: sub_account_id | SubAccountId, '' when none
-- column: charge_category | Usage, Purchase, Tax, Credit or Adjustment
-- column: charge_class | Correction for a correction of an earlier period, else ''
-- column: charge_frequency | One-Time, Recurring or Usage-Based
-- column: charge_description | ChargeDescription
-- column: pricing_category | Standard, Dynamic, Committed or Other
-- column: commitment_discount_category | Spend or Usage, '' without a commitment
-- column: commitment_discount_id | CommitmentDiscountId
-- column: commitment_discount_status | Used or Unused, '' without a commitment
-- column: capacity_reservation_id | CapacityReservationId (since 1.1)
-- column: capacity_reservation_status | Used or Unused (since 1.1)
-- column: service_category | ServiceCategory
-- column: service_name | ServiceName
-- column: service_code | x_ServiceCode, AWS's product code
-- column: operation | x_Operation
-- column: region | RegionId
-- column: resource_id | ResourceId
-- column: resource_type | ResourceType
-- column: sku_id | SkuId
-- column: sku_price_id | SkuPriceId
-- column: sku_meter | SkuMeter, x_UsageType, x_SkuMeterName or x_SkuDescription, the first that is filled
-- column: consumed_quantity | ConsumedQuantity in consumed_unit, NULL where it is no usage
-- column: consumed_unit | ConsumedUnit
-- column: pricing_quantity | PricingQuantity in pricing_unit
-- column: pricing_unit | PricingUnit
-- column: billed_cost | BilledCost, USD
-- column: effective_cost | EffectiveCost, USD
-- column: list_cost | ListCost, USD; NULL when absent
-- column: contracted_cost | ContractedCost, USD; NULL when absent
-- column: currency | BillingCurrency
-- column: invoice_id | InvoiceId (since 1.2), '' until the bill is final
-- column: tags | JSON object key to value, keys sorted
-- column: billing_account_name | BillingAccountName
-- column: sub_account_name | SubAccountName
-- column: invoice_issuer | InvoiceIssuerName
-- column: availability_zone | AvailabilityZone
-- column: resource_name | ResourceName
-- column: service_subcategory | ServiceSubcategory (since 1.1)
-- column: commitment_discount_type | CommitmentDiscountType
-- column: commitment_discount_name | CommitmentDiscountName
-- check:  fail | currency = 'USD' | another currency refuses its delivery
-- check:  fail | billed_cost is not null and effective_cost is not null | a line without a cost cannot be conserved
-- window: charge_start_at
create table if not exists raw_focus_lines (
    delivery_id uuid,
    line_number bigint,
    focus_version varchar,
    billing_period date,
    charge_start_at timestamptz,
    charge_end_at timestamptz,
    provider varchar,
    publisher varchar,
    billing_account_id varchar,
    sub_account_id varchar,
    charge_category varchar,
    charge_class varchar,
    charge_frequency varchar,
    charge_description varchar,
    pricing_category varchar,
    commitment_discount_category varchar,
    commitment_discount_id varchar,
    commitment_discount_status varchar,
    capacity_reservation_id varchar,
    capacity_reservation_status varchar,
    service_category varchar,
    service_name varchar,
    service_code varchar,
    operation varchar,
    region varchar,
    resource_id varchar,
    resource_type varchar,
    sku_id varchar,
    sku_price_id varchar,
    sku_meter varchar,
    consumed_quantity decimal(38, 10),
    consumed_unit varchar,
    pricing_quantity decimal(38, 10),
    pricing_unit varchar,
    billed_cost decimal(38, 10),
    effective_cost decimal(38, 10),
    list_cost decimal(38, 10),
    contracted_cost decimal(38, 10),
    currency varchar,
    invoice_id varchar,
    tags varchar,
    billing_account_name varchar,
    sub_account_name varchar,
    invoice_issuer varchar,
    availability_zone varchar,
    resource_name varchar,
    service_subcategory varchar,
    commitment_discount_type varchar,
    commitment_discount_name varchar
);
