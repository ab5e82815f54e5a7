-- raw_prices: rates of accelerated instance types as AWS's price lists show them.
-- grain:  delivery_id, rate_code
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: observed_at | when AWS published the list
-- column: rate_code | SKU, term and rate as AWS codes them
-- column: sku | product
-- column: offer_term_code | code of the term
-- column: term_type | OnDemand or Reserved
-- column: effective_at | from when the rate holds
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: market_option | OnDemand or CapacityBlock, '' where the list does not say
-- column: lease | 1yr or 3yr of a reservation, else ''
-- column: purchase_option | No Upfront, Partial Upfront or All Upfront of a reservation, else ''
-- column: offering_class | standard or convertible of a reservation, else ''
-- column: unit | Hrs, or Quantity for an upfront fee
-- column: price_usd | USD per unit, for Linux on shared tenancy
-- check:  fail | price_usd >= 0 | a price is not negative
-- window: observed_at
create table if not exists raw_prices (
    delivery_id uuid,
    observed_at timestamptz,
    rate_code varchar,
    sku varchar,
    offer_term_code varchar,
    term_type varchar,
    effective_at timestamptz,
    instance_type varchar,
    region varchar,
    market_option varchar,
    lease varchar,
    purchase_option varchar,
    offering_class varchar,
    unit varchar,
    price_usd decimal(38, 10)
);
