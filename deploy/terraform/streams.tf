# Optional: CloudWatch's metrics and Container Insights' log events through Firehose into the bucket.
locals {
  deliveries = merge(
    var.metric_stream ? { metric_stream = { prefix = local.arrivals.metric_stream, compression = "GZIP" } } : {},
    # CloudWatch Logs sends gzip already
    length(var.performance_log_groups) > 0 ? { log_events = { prefix = local.arrivals.log_events, compression = "UNCOMPRESSED" } } : {},
  )
  senders = { metric_stream = "streams.metrics.cloudwatch.amazonaws.com", log_events = "logs.amazonaws.com" }
}

resource "aws_kinesis_firehose_delivery_stream" "arrivals" {
  for_each    = local.deliveries
  name        = "${var.name}-${replace(each.key, "_", "-")}"
  destination = "extended_s3"
  depends_on  = [aws_iam_role_policy.delivery]

  extended_s3_configuration {
    role_arn            = aws_iam_role.delivery[each.key].arn
    bucket_arn          = aws_s3_bucket.arrivals.arn
    prefix              = "${each.value.prefix}!{timestamp:yyyy/MM/dd/HH}/"
    error_output_prefix = "${local.errors}${each.value.prefix}!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
    buffering_interval  = 60
    buffering_size      = 64
    compression_format  = each.value.compression
  }
}

data "aws_iam_policy_document" "delivery_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "delivery" {
  for_each           = local.deliveries
  name               = "${var.name}-${replace(each.key, "_", "-")}-delivery"
  assume_role_policy = data.aws_iam_policy_document.delivery_trust.json
}

data "aws_iam_policy_document" "delivery" {
  for_each = local.deliveries
  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.arrivals.arn]
  }
  statement {
    actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = [
      "${aws_s3_bucket.arrivals.arn}/${each.value.prefix}*",
      "${aws_s3_bucket.arrivals.arn}/${local.errors}${each.value.prefix}*",
    ]
  }
}

resource "aws_iam_role_policy" "delivery" {
  for_each = local.deliveries
  name     = "deliver"
  role     = aws_iam_role.delivery[each.key].id
  policy   = data.aws_iam_policy_document.delivery[each.key].json
}

data "aws_iam_policy_document" "sender_trust" {
  for_each = local.deliveries
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [local.senders[each.key]]
    }
    # metric streams send no source to compare
    dynamic "condition" {
      for_each = each.key == "log_events" ? ["source"] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_iam_role" "sender" {
  for_each           = local.deliveries
  name               = "${var.name}-${replace(each.key, "_", "-")}-sender"
  assume_role_policy = data.aws_iam_policy_document.sender_trust[each.key].json
}

data "aws_iam_policy_document" "sender" {
  for_each = local.deliveries
  statement {
    actions   = ["firehose:PutRecord", "firehose:PutRecordBatch"]
    resources = [aws_kinesis_firehose_delivery_stream.arrivals[each.key].arn]
  }
}

resource "aws_iam_role_policy" "sender" {
  for_each = local.deliveries
  name     = "send"
  role     = aws_iam_role.sender[each.key].id
  policy   = data.aws_iam_policy_document.sender[each.key].json
}

# A filter names metrics, not dimension sets: each fact is sent, and paid for, once per set (four to six times).
resource "aws_cloudwatch_metric_stream" "metrics" {
  count         = var.metric_stream ? 1 : 0
  name          = "${var.name}-metrics"
  role_arn      = aws_iam_role.sender["metric_stream"].arn
  firehose_arn  = aws_kinesis_firehose_delivery_stream.arrivals["metric_stream"].arn
  output_format = var.metric_stream_format
  depends_on    = [aws_iam_role_policy.sender]

  include_filter {
    namespace    = local.reads.metric_namespace
    metric_names = local.reads.metric_names
  }
}

resource "aws_cloudwatch_log_subscription_filter" "log_events" {
  for_each        = toset(var.performance_log_groups)
  name            = "${var.name}-accelerators"
  log_group_name  = each.value
  role_arn        = aws_iam_role.sender["log_events"].arn
  destination_arn = aws_kinesis_firehose_delivery_stream.arrivals["log_events"].arn
  filter_pattern  = "{ ${join(" || ", [for type in local.reads.log_event_types : "$.Type = \"${type}\""])} }"
  depends_on      = [aws_iam_role_policy.sender]
}
