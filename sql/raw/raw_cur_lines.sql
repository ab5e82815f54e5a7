-- raw_cur_lines: lines of a CUR 2.0 export, one delivery per Manifest.
-- grain:  delivery_id, line_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: line_number | position of the line over the delivery's chunks, from 1
-- column: line_item_id | identity_line_item_id, unique in one delivery only, '' when absent
-- column: billing_period | first day of the billed month
-- column: usage_start_at | start of the line's usage
-- column: usage_end_at | end of the line's usage
-- column: payer_account_id | account that pays
-- column: account_id | account that used
-- column: record_type | line_item_line_item_type
-- column: product_code | line_item_product_code
-- column: usage_type | line_item_usage_type
-- column: operation | line_item_operation
-- column: resource_id | line_item_resource_id
-- column: instance_type | product_instance_type or the product map's, '' when none
-- column: region | product_region_code or the product map's, '' when none
-- column: currency | line_item_currency_code
-- column: usage_amount | usage in the line's own unit; hours for instances
-- column: unblended_cost | USD billed
-- column: net_unblended_cost | USD billed after private discounts, NULL without net columns
-- column: public_on_demand_cost | USD at public list price, NULL when absent
-- column: reservation_effective_cost | USD, upfront spread, of a reservation's use
-- column: net_reservation_effective_cost | same after private discounts
-- column: reservation_amortized_upfront_fee | USD of a reservation's upfront fee that falls to the billing period
-- column: reservation_unused_amortized_upfront_fee | USD of an unused reservation's upfront fee
-- column: net_reservation_unused_amortized_upfront_fee | same after private discounts
-- column: reservation_unused_recurring_fee | USD of an unused reservation's recurring fee
-- column: net_reservation_unused_recurring_fee | same after private discounts
-- column: sp_effective_cost | USD, upfront spread, of a savings plan's use
-- column: net_sp_effective_cost | same after private discounts
-- column: sp_total_commitment | USD committed by the savings plan for the line's time
-- column: sp_used_commitment | USD of that commitment used
-- column: has_net_columns | the export carries net_ columns: they replace the others
-- column: invoice_id | bill_invoice_id, '' until the bill is final
-- column: description | line_item_line_item_description
-- column: resource_tags | JSON object key to value, keys sorted
-- column: cost_category | JSON object of cost categories, keys sorted
-- column: product_name | product_name of the product map, '' when none
-- column: payer_name | bill_payer_account_name
-- column: account_name | line_item_usage_account_name
-- column: bill_type | bill_bill_type: Anniversary, Purchase or Refund
-- column: billing_entity | bill_billing_entity: AWS or AWS Marketplace
-- column: legal_entity | line_item_legal_entity: who sold it
-- column: availability_zone | line_item_availability_zone
-- column: pricing_unit | pricing_unit, as AWS writes it (Hrs, GB-Mo …)
-- column: sku | product_sku
-- column: rate_id | pricing_rate_id
-- column: savings_plan_arn | savings_plan_savings_plan_a_r_n
-- column: reservation_arn | reservation_reservation_a_r_n
-- column: reservation_unused_quantity | reservation_unused_quantity, hours
-- column: capacity_reservation_arn | capacity_reservation_capacity_reservation_arn
-- column: capacity_reservation_status | capacity_reservation_capacity_reservation_status
-- column: capacity_reservation_type | ODCR or EC2 Capacity Block for ML
-- check:  fail | currency = 'USD' | another currency refuses its delivery
-- check:  fail | usage_amount is not null and unblended_cost is not null | a line without cost cannot be conserved
-- window: usage_start_at
create table if not exists raw_cur_lines (
    delivery_id uuid,
    line_number bigint,
    line_item_id varchar,
    billing_period date,
    usage_start_at timestamptz,
    usage_end_at timestamptz,
    payer_account_id varchar,
    account_id varchar,
    record_type varchar,
    product_code varchar,
    usage_type varchar,
    operation varchar,
    resource_id varchar,
    instance_type varchar,
    region varchar,
    currency varchar,
    usage_amount decimal(38, 10),
    unblended_cost decimal(38, 10),
    net_unblended_cost decimal(38, 10),
    public_on_demand_cost decimal(38, 10),
    reservation_effective_cost decimal(38, 10),
    net_reservation_effective_cost decimal(38, 10),
    reservation_amortized_upfront_fee decimal(38, 10),
    reservation_unused_amortized_upfront_fee decimal(38, 10),
    net_reservation_unused_amortized_upfront_fee decimal(38, 10),
    reservation_unused_recurring_fee decimal(38, 10),
    net_reservation_unused_recurring_fee decimal(38, 10),
    sp_effective_cost decimal(38, 10),
    net_sp_effective_cost decimal(38, 10),
    sp_total_commitment decimal(38, 10),
    sp_used_commitment decimal(38, 10),
    has_net_columns boolean,
    invoice_id varchar,
    description varchar,
    resource_tags varchar,
    cost_category varchar,
    product_name varchar,
    payer_name varchar,
    account_name varchar,
    bill_type varchar,
    billing_entity varchar,
    legal_entity varchar,
    availability_zone varchar,
    pricing_unit varchar,
    sku varchar,
    rate_id varchar,
    savings_plan_arn varchar,
    reservation_arn varchar,
    reservation_unused_quantity decimal(38, 10),
    capacity_reservation_arn varchar,
    capacity_reservation_status varchar,
    capacity_reservation_type varchar
);
