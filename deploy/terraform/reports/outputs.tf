output "role_name" {
  description = "For ecs_role in packseal's configuration, and rrsa.roleName of the chart."
  value       = alicloud_ram_role.this.role_name
}

output "role_arn" {
  description = "For trusted_role of the other module, and rrsa.roleARN of the chart."
  value       = alicloud_ram_role.this.arn
}
