# One bucket for all that arrives. Each supplier has a prefix; what Firehose cannot deliver lies apart and is not swept.
locals {
  arrivals  = { costs = "costs/", telemetry = "telemetry/", metric_stream = "metric-stream/", log_events = "emf/" }
  errors    = "firehose-errors/"
  expiring  = [for name, prefix in local.arrivals : prefix if name != "costs"]
  manifests = "-Manifest.json"
}

resource "aws_s3_bucket" "arrivals" {
  bucket = var.bucket
}

resource "aws_s3_bucket_public_access_block" "arrivals" {
  bucket                  = aws_s3_bucket.arrivals.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "arrivals" {
  bucket = aws_s3_bucket.arrivals.id
  versioning_configuration {
    status = "Enabled"
  }
}

# S3's own keys: with a key of yours the role would need kms:Decrypt as well.
resource "aws_s3_bucket_server_side_encryption_configuration" "arrivals" {
  bucket = aws_s3_bucket.arrivals.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "arrivals" {
  bucket     = aws_s3_bucket.arrivals.id
  depends_on = [aws_s3_bucket_versioning.arrivals]

  dynamic "rule" {
    for_each = local.expiring
    content {
      id     = "expire ${trimsuffix(rule.value, "/")}"
      status = "Enabled"
      filter {
        prefix = rule.value
      }
      expiration {
        days = var.retention_days
      }
    }
  }

  rule {
    id     = "expire what Firehose could not deliver"
    status = "Enabled"
    filter {
      prefix = local.errors
    }
    expiration {
      days = 30
    }
  }

  rule {
    id     = "drop old versions and broken uploads"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

data "aws_iam_policy_document" "arrivals" {
  statement {
    sid       = "RefuseUnencryptedConnections"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.arrivals.arn, "${aws_s3_bucket.arrivals.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # The names hold wildcards: with StringEquals nothing would ever match.
  dynamic "statement" {
    for_each = var.cost_export ? ["export"] : []
    content {
      sid       = "LetDataExportsDeliver"
      actions   = ["s3:PutObject", "s3:GetBucketPolicy"]
      resources = [aws_s3_bucket.arrivals.arn, "${aws_s3_bucket.arrivals.arn}/*"]
      principals {
        type        = "Service"
        identifiers = ["bcm-data-exports.amazonaws.com", "billingreports.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values = [
          "arn:${local.partition}:bcm-data-exports:us-east-1:${local.account}:export/*",
          "arn:${local.partition}:cur:us-east-1:${local.account}:definition/*",
        ]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "arrivals" {
  bucket = aws_s3_bucket.arrivals.id
  policy = data.aws_iam_policy_document.arrivals.json
}
