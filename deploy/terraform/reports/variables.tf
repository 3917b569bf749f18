variable "name" {
  description = "Of the role and of its policy."
  type        = string
  default     = "packseal"
}

variable "account_id" {
  description = "The account whose packs are kept, or that owns the account groups."
  type        = string
}

variable "reports" {
  description = "What the role may request: compliance_packs, account_group_packs, other_reports (of rules, templates and the inventory), evaluate, discover, accounts (of a Resource Directory)."
  type        = set(string)
  default     = ["compliance_packs"]
  validation {
    condition     = length(setsubtract(var.reports, ["compliance_packs", "account_group_packs", "other_reports", "evaluate", "discover", "accounts"])) == 0
    error_message = "Known are compliance_packs, account_group_packs, other_reports, evaluate, discover and accounts."
  }
}

variable "ecs" {
  description = "Whether ECS instances may have the role."
  type        = bool
  default     = false
}

variable "rrsa" {
  description = "The service account of an ACK cluster with RRSA that may have the role. The cluster's page shows provider and issuer."
  type = object({
    provider_arn    = string # acs:ram::100000000000000:oidc-provider/ack-rrsa-c0123456789
    issuer          = string # https://oidc-ack-cn-shanghai.oss-cn-shanghai.aliyuncs.com/c0123456789
    namespace       = optional(string, "packseal")
    service_account = optional(string, "packseal")
  })
  default = null
}

variable "trusted_role" {
  description = "The ARN of a role that may assume this one, for member accounts: see docs/credentials.md."
  type        = string
  default     = null
}

variable "external_id" {
  description = "What trusted_role has to give as external_id."
  type        = string
  default     = null
}

variable "assume_roles" {
  description = "ARNs of the roles that this one may assume: that of the bucket, those of member accounts."
  type        = list(string)
  default     = []
}
