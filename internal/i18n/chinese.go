package i18n

import "packseal.example/internal/fault"

// ChineseReasons is EnglishReasons in Chinese.
func ChineseReasons() map[fault.Reason]string {
	return map[fault.Reason]string{
		fault.Throttled:       "服务要求降低请求频率。",
		fault.Unavailable:     "无法连接服务，或服务自身出现故障。",
		fault.NotReady:        "报告仍在生成中。",
		fault.LinkExpired:     "下载链接已过期。",
		fault.Damaged:         "下载的内容不是完整的报告。",
		fault.Busy:            "同一份报告正由其他进程处理。",
		fault.SinkUnavailable: "存储不可用、过慢、已满或只读。",
		fault.ClockSkew:       "本机时钟与服务器时间相差过大。",
		fault.Canceled:        "packseal 被要求停止。",
		fault.NotFound:        "合规包、报告模板、账号组或账号不存在。",
		fault.Denied:          "凭证有效，但缺少权限。",
		fault.Credentials:     "凭证缺失、错误或已失效。",
		fault.Request:         "服务拒绝了请求本身：服务地址有误，或 packseal 有缺陷。",
		fault.LinkRefused:     "下载链接被拒绝，或指向不允许的地址。",
		fault.TooLarge:        "报告超过了配置的大小上限。",
		fault.Conflict:        "存储中的同名对象内容不同。",
		fault.SinkDenied:      "存储拒绝了凭证、存储桶或写入方式。",
		fault.Deleted:         "存储中该报告的内容已被删除，不会另行写入。",
		fault.NotRestored:     "该对象处于存储的归档层，须先恢复才能读取。",
		fault.Newer:           "该记录由更新版本的 packseal 写入，当前版本无法读取。",
		fault.Internal:        "packseal 自身出现故障。",
		fault.Deadline:        "在时限之前未能得到新的报告。",
		fault.Overlap:         "该合规包的上一份报告仍在处理中。",
		fault.Missed:          "未能按时请求该报告。",
		fault.Absent:          "没有找到该报告的任何记录：可能从未生成，也可能已被删除。",
		fault.Paused:          "该合规包或其来源已被暂停。",
	}
}
