# The bucket for the evidence, and the role that may write it: docs/storage.md,
# "Alibaba Cloud OSS". Nothing here allows to delete.

locals {
  policy = {
    Version = "1"
    Statement = concat(
      [
        {
          Effect   = "Allow"
          Action   = ["oss:PutObject", "oss:GetObject", "oss:AbortMultipartUpload"]
          Resource = "acs:oss:*:*:${var.bucket}/${var.prefix}/*"
        },
        {
          Effect   = "Allow"
          Action   = "oss:ListObjects"
          Resource = "acs:oss:*:*:${var.bucket}"
        },
        {
          Effect   = "Allow"
          Action   = ["oss:GetBucketVersioning", "oss:GetBucketWorm"]
          Resource = "acs:oss:*:*:${var.bucket}"
        },
      ],
      [for id in var.kms_key_id[*] : {
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = "acs:kms:*:*:key/${id}"
      }],
    )
  }
  trust = {
    Version = "1"
    Statement = [merge(
      {
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { RAM = [var.trusted_role] }
      },
      { for id in var.external_id[*] : "Condition" => { StringEquals = { "sts:ExternalId" = id } } },
    )]
  }
}

# There is no versioning block, on purpose: in a bucket whose versioning is or ever
# was on, OSS ignores x-oss-forbid-overwrite, and packseal refuses it.
resource "alicloud_oss_bucket" "this" {
  bucket          = var.bucket
  storage_class   = "Standard"
  redundancy_type = var.redundancy_type

  server_side_encryption_rule {
    sse_algorithm     = var.kms_key_id == null ? "AES256" : "KMS"
    kms_master_key_id = var.kms_key_id
  }

  lifecycle_rule {
    id      = "unfinished-uploads"
    prefix  = "${var.prefix}/"
    enabled = true

    abort_multipart_upload {
      days = 7
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "alicloud_oss_bucket_acl" "this" {
  bucket = alicloud_oss_bucket.this.bucket
  acl    = "private"
}

resource "alicloud_oss_bucket_public_access_block" "this" {
  bucket              = alicloud_oss_bucket.this.bucket
  block_public_access = true
}

resource "alicloud_oss_bucket_worm" "this" {
  count = var.worm_days == null ? 0 : 1

  bucket                   = alicloud_oss_bucket.this.bucket
  retention_period_in_days = var.worm_days
  status                   = var.worm_locked ? "Locked" : "InProgress"
}

resource "alicloud_ram_role" "this" {
  role_name                   = var.name
  description                 = "packseal: writes evidence, deletes nothing"
  assume_role_policy_document = jsonencode(local.trust)
}

resource "alicloud_ram_policy" "this" {
  policy_name     = var.name
  description     = "packseal: writes evidence, deletes nothing"
  policy_document = jsonencode(local.policy)
}

resource "alicloud_ram_role_policy_attachment" "this" {
  role_name   = alicloud_ram_role.this.role_name
  policy_name = alicloud_ram_policy.this.policy_name
  policy_type = "Custom"
}
