-- seed_services: what FOCUS calls the services of AWS that AI workloads are billed under.
-- grain:  product_code
-- column: product_code | line_item_product_code of CUR, or the service as Cost Explorer names it
-- column: service_name | ServiceName
-- column: service_category | ServiceCategory of FOCUS 1.2
-- column: service_subcategory | ServiceSubcategory of FOCUS 1.2
-- check:  fail | service_name <> '' and service_category <> '' and service_subcategory <> '' | FOCUS leaves none of them out

select
    product_code,
    service_name,
    service_category,
    service_subcategory,
from read_csv($seeds_dir || '/services.csv', header = true, all_varchar = true)
