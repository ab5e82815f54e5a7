# CUR 2.0, hourly, per resource, as Parquet. CREATE_NEW_REPORT keeps every delivery, so that a restatement can be told
# and no reader meets half of one.
locals {
  export_name = "${var.name}-cur2"
  # The columns that the code books, no others. Those of split costs exist in exports that include them alone.
  cost_columns = [for column in local.reads.cur_columns : column if var.split_cost_allocation || !startswith(column, "split_line_item_")]
}

resource "aws_bcmdataexports_export" "costs" {
  count      = var.cost_export ? 1 : 0
  provider   = aws.billing
  depends_on = [aws_s3_bucket_policy.arrivals]

  export {
    name        = local.export_name
    description = "Bill lines for chipledger"

    data_query {
      query_statement = "SELECT ${join(", ", local.cost_columns)} FROM COST_AND_USAGE_REPORT"
      table_configurations = {
        COST_AND_USAGE_REPORT = {
          # AWS adds this one by itself; left out, the provider takes it for a change and fails.
          BILLING_VIEW_ARN                  = "arn:${local.partition}:billing::${local.account}:billingview/primary"
          TIME_GRANULARITY                  = "HOURLY"
          INCLUDE_RESOURCES                 = "TRUE"
          INCLUDE_CAPACITY_RESERVATION_DATA = "TRUE"
          # Private discounts as lines, or billed would be above the invoice by them.
          INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY = "TRUE"
          INCLUDE_SPLIT_COST_ALLOCATION_DATA    = var.split_cost_allocation ? "TRUE" : "FALSE"
        }
      }
    }

    destination_configurations {
      s3_destination {
        s3_bucket = aws_s3_bucket.arrivals.id
        s3_prefix = trimsuffix(local.arrivals.costs, "/")
        s3_region = var.region
        s3_output_configurations {
          output_type = "CUSTOM"
          format      = "PARQUET"
          compression = "PARQUET"
          overwrite   = "CREATE_NEW_REPORT"
        }
      }
    }

    refresh_cadence {
      frequency = "SYNCHRONOUS"
    }
  }
}
