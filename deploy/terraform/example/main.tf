# packseal on ACK with RRSA. Its pod's role requests the reports of the account, and
# assumes a second role, in an account for audit, that writes the evidence there.

terraform {
  required_version = ">= 1.3"
  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = ">= 1.252.0"
    }
  }
}

provider "alicloud" {
  region = "cn-shanghai"
}

provider "alicloud" {
  alias  = "audit"
  region = "cn-shanghai"
  assume_role {
    role_arn = "acs:ram::${local.audit_account}:role/terraform"
  }
}

locals {
  account       = "100000000000000" # of the cluster and of the packs
  audit_account = "100000000000009"
  cluster       = "c0123456789"
}

module "reports" {
  source     = "../reports"
  account_id = local.account
  reports    = ["compliance_packs", "account_group_packs", "discover"]
  rrsa = {
    provider_arn = "acs:ram::${local.account}:oidc-provider/ack-rrsa-${local.cluster}"
    issuer       = "https://oidc-ack-cn-shanghai.oss-cn-shanghai.aliyuncs.com/${local.cluster}"
  }
  # Spelt out: that role is made after this one, which it trusts.
  assume_roles = ["acs:ram::${local.audit_account}:role/packseal-evidence"]
}

module "evidence" {
  source       = "../evidence"
  providers    = { alicloud = alicloud.audit }
  bucket       = "evidence"
  trusted_role = module.reports.role_arn
  worm_days    = 1827
  worm_locked  = false # true only after a trial with a scratch bucket and worm_days = 1
}
