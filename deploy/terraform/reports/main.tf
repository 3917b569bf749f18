# The role with which packseal requests reports, and nothing else:
# docs/credentials.md, "Least privilege".

locals {
  statements = {
    compliance_packs = {
      Effect   = "Allow"
      Action   = ["config:GenerateCompliancePackReport", "config:GetCompliancePackReport"]
      Resource = "acs:config:*:${var.account_id}:compliancepack/*"
    }
    account_group_packs = {
      Effect   = "Allow"
      Action   = ["config:GenerateAggregateCompliancePackReport", "config:GetAggregateCompliancePackReport"]
      Resource = "acs:config:*:${var.account_id}:aggregatecompliancepack/*"
    }
    other_reports = {
      Effect = "Allow"
      Action = [
        "config:GenerateConfigRulesReport", "config:GetConfigRulesReport",
        "config:GenerateAggregateConfigRulesReport", "config:GetAggregateConfigRulesReport",
        "config:GenerateReportFromTemplate", "config:GetReportFromTemplate",
        "config:GenerateResourceInventory", "config:GetResourceInventory",
        "config:GenerateAggregateResourceInventory", "config:GetAggregateResourceInventory",
      ]
      Resource = "*"
    }
    evaluate = {
      Effect = "Allow"
      Action = [
        "config:StartConfigRuleEvaluation", "config:GetCompliancePack", "config:GetConfigRule",
        "config:StartAggregateConfigRuleEvaluation", "config:GetAggregateCompliancePack", "config:GetAggregateConfigRule",
      ]
      Resource = "*"
    }
    discover = {
      Effect   = "Allow"
      Action   = ["config:ListCompliancePacks", "config:ListAggregateCompliancePacks", "config:ListAggregators", "config:ListReportTemplates"]
      Resource = "*"
    }
    accounts = {
      Effect   = "Allow"
      Action   = "resourcedirectory:ListAccounts"
      Resource = "*"
    }
  }
  assume = {
    Effect   = "Allow"
    Action   = "sts:AssumeRole"
    Resource = var.assume_roles
  }
  policy = {
    Version = "1"
    Statement = concat(
      [for name in sort(var.reports) : local.statements[name]],
      [for statement in [local.assume] : statement if length(var.assume_roles) > 0],
    )
  }

  ecs = {
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { Service = ["ecs.aliyuncs.com"] }
  }
  rrsa = [for r in var.rrsa[*] : {
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { Federated = [r.provider_arn] }
    Condition = {
      StringEquals = {
        "oidc:iss" = r.issuer
        "oidc:aud" = "sts.aliyuncs.com"
        "oidc:sub" = "system:serviceaccount:${r.namespace}:${r.service_account}"
      }
    }
  }]
  role = [for arn in var.trusted_role[*] : merge(
    {
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { RAM = [arn] }
    },
    { for id in var.external_id[*] : "Condition" => { StringEquals = { "sts:ExternalId" = id } } },
  )]
  trust = {
    Version   = "1"
    Statement = concat([for statement in [local.ecs] : statement if var.ecs], local.rrsa, local.role)
  }
}

resource "alicloud_ram_role" "this" {
  role_name                   = var.name
  description                 = "packseal: requests reports of Cloud Config"
  assume_role_policy_document = jsonencode(local.trust)

  lifecycle {
    precondition {
      condition     = length(local.trust.Statement) > 0
      error_message = "Nobody could have the role: set ecs, rrsa or trusted_role."
    }
  }
}

resource "alicloud_ram_policy" "this" {
  policy_name     = var.name
  description     = "packseal: requests reports of Cloud Config"
  policy_document = jsonencode(local.policy)
}

resource "alicloud_ram_role_policy_attachment" "this" {
  role_name   = alicloud_ram_role.this.role_name
  policy_name = alicloud_ram_policy.this.policy_name
  policy_type = "Custom"
}
