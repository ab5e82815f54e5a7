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
-- column: sp_arn | Savings Plan of the line, '' for none
-- column: reservation_arn | reserved instance of the line, '' for none
-- column: capacity_reservation_arn | capacity reservation or Capacity Block of the line, '' for none or where the export leaves it out
-- column: capacity_reservation_status | Reserved, Used, Unused or Cancelled
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
    sp_arn varchar,
    reservation_arn varchar,
    capacity_reservation_arn varchar,
    capacity_reservation_status varchar,
    capacity_reservation_type varchar
);
