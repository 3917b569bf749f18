package audit

// The sentences of findings, without their keys.
var (
	saidMore           = said{"%d more of this kind", "同类问题另有 %d 项"}
	saidDoubledEntry   = said{"the ledger has two different records under one key: one must have replaced the other", "账本中同一个键对应两个不同的对象，其中一个必是被另一个替换的"}
	saidDoubledRecord  = said{"the record is in the bundle twice", "该记录在审计包中出现了两次"}
	saidMisplacedEpoch = said{"the record of a ledger before this one is not the first entry", "指向前一账本的记录不是第一个条目"}
	saidUnarchived     = said{"the ledger has an entry of this record, and the bundle lacks the record", "账本中有此记录，审计包中却没有"}
	saidAlteredRecord  = said{"the record was altered: its SHA-256 is %[2]s, and the ledger has %[1]s", "记录已被改动：其 SHA-256 为 %[2]s，账本中为 %[1]s"}
	saidUnloggedBytes  = said{"a record with the SHA-256 %s is not in the ledger: %v", "SHA-256 为 %s 的记录不在账本中：%v"}
	saidUnloggedRecord = said{"the record, with the SHA-256 %s, is not in the ledger", "该记录（SHA-256 为 %s）不在账本中"}
	saidNewer          = said{"this program is too old to check the record: %v", "本程序版本过旧，无法核对该记录：%v"}
	saidMisplaced      = said{"the record is not the one that its key names: %v", "账本在此键下的记录不属于这里：%v"}
	saidNoPolicy       = said{"the report was removed, and no retention policy was in the ledger before", "报告已被移除，而账本在此之前没有任何保留策略"}
	saidPrunedKey      = said{"it names no report", "它不是报告的移除记录"}
	saidKept           = said{"the report was removed although the policy keeps reports for ever", "报告已被移除，而保留策略为永久保留"}
	saidPrunedEarly    = said{"the report was removed before %s, and the policy keeps reports for %s", "报告在 %s 之前已被移除，而保留策略为 %s"}
	saidPrunedOther    = said{"the report that was removed is not the one of the manifest", "被移除的报告不是清单所指的那一份"}
	saidAfterStamps    = said{"it entered the ledger after the last stamp, so nothing proves when", "它在最后一个时间戳之后才进入账本，无法证明其时间"}
	saidAhead          = said{"it claims the time %s, and was stamped at %s already: a clock was wrong, or was set", "它自称的时间是 %s，但在 %s 已有时间戳：时钟有误或被调整"}
	saidBackdated      = said{"it claims the time %s; at %s the ledger did not have it yet, and the first stamp that covers it is of %s", "它自称的时间是 %s；而账本在 %s 时还没有它，首个能证明它的时间戳是 %s"}
	saidStampedLate    = said{"it claims the time %s; the first stamp that covers it is of %s, and nothing shows that it existed before", "它自称的时间是 %s；首个能证明它的时间戳是 %s，此前是否存在无从证明"}
	saidPlanPart       = said{"a part of the plan since %s is missing", "自 %s 起的排期缺少一部分"}
	saidSchedule       = said{"the plan since %s has a schedule that can't be read, %.100q in the time zone %.100q, so nothing says when the pack was due", "自 %s 起的排期记录中有无法识别的排期 %.100q（时区 %.100q），无从得知该合规包何时到期"}
	saidHole           = said{"no slate covers the time from %s to %s: nothing was said in advance of what fell due then", "从 %s 到 %s 的应到期项目没有事先声明"}
	saidShort          = said{"no slate of the bundle covers anything after %s: nothing says what fell due in the rest of the period", "审计包只说明了到 %s 为止的应到期项目，此后的时段没有任何说明"}
	saidShortStamps    = said{"the last stamp is of %s, before the period ends: nothing after it is proven", "最后一个时间戳是 %s，早于时段结束：此后发生的事项未得到证明"}
	saidSlatePlan      = said{"it names a plan, %.64s, that is not in the bundle", "它所依据的排期 %.64s 不在审计包中"}
	saidLeftOut        = said{"it leaves out %s, at which %.100q in %.100q falls due by its plan", "它遗漏了 %s：按该排期，%.100q（%.100q）此时到期"}
	saidNotPlanned     = said{"it lists %s for %.100q in %.100q, and its plan does not", "它列出了 %s（%.100q，%.100q），而其排期中没有"}
	saidMissing        = said{"it was due, and has no record: neither a report nor a gap", "它已到期却没有任何记录：既无报告，也无缺失记录"}
	saidUnsettled      = said{"it was due, and has no record: neither a report nor a gap. Without time-stamps, nothing tells whether it was merely not settled yet when the ledger ended", "它已到期却没有任何记录：既无报告，也无缺失记录。没有时间戳，无从得知账本结束时它是否只是尚无结果"}
	saidOpen           = said{"it had no record yet at the last stamp of the bundle, %s: ask for a bundle that ends later", "到审计包最后一个时间戳 %s 为止它还没有记录：请索取结束时间更晚的审计包"}
	saidChanges        = said{"too many plan changes: what they took off the schedule was followed up to %s only", "排期变更过多，因变更而不再到期的项目只核对到 %s"}
	saidTooMany        = said{"the plans make more fall due than the ledger can have records of: followed up to %s only", "按排期到期的项目多于账本可能拥有的记录；核对到 %s 为止"}

	saidLeftOutReport = said{"by its statement the bundle has this report, and it does not", "按声明所述，审计包中应有此报告，实际却没有"}
	saidNoZip         = said{"it is not a whole zip file: %v", "它不是完整的 zip 文件：%v"}
	saidUnsafe        = said{"the bundle has a file under the name %.200q, which must not be unpacked", "审计包中有名为 %.200q 的文件，不可解压"}
	saidDoubledFile   = said{"the bundle has this file twice, and programs differ in which one they show", "审计包中此文件出现了两次，不同程序会显示不同的那一份"}
	saidDoubledField  = said{"it has two fields of one name, and programs differ in which one they read", "其中有同名的两个字段，不同程序会读取不同的那一个"}
	saidNoFile        = said{"the bundle lacks this file", "审计包缺少此文件"}
	saidUnreadable    = said{"it can't be read: %v", "无法读取：%v"}
	saidLine          = said{"line %d can't be read: %v", "第 %d 行无法读取：%v"}
	saidNumber        = said{"its name is not that of a checkpoint", "它的名称不是检查点的名称"}
	saidNoCheckpoint  = said{"the bundle has no checkpoint that it belongs to", "它不属于审计包中的任何检查点"}
	saidBeyond        = said{"the checkpoint covers %d entries, and the bundle has those from %d to %d", "该检查点涵盖 %d 个条目，而审计包中的条目是从 %d 到 %d"}
	saidOtherRoot     = said{"an entry between %d and %d was altered, removed, added or moved: the entries give the root %s, and the signed one is %s", "第 %d 到 %d 个条目之间有条目被改动、移除、添加或移动：它们得出的根是 %s，而签署的是 %s"}
	saidUncovered     = said{"no checkpoint covers the last %d entries", "最后 %d 个条目没有检查点"}
	saidUnsigned      = said{"it is not signed by the key of the ledger: %v", "它没有账本密钥的有效签名：%v"}
	saidToken         = said{"the token does not prove when the checkpoint was there: %v", "该时间戳不能证明检查点存在的时间：%v"}
	saidNoToken       = said{"the bundle has no token that proves when anything was there", "审计包中没有任何能证明时间的时间戳"}
	saidCosignature   = said{"the line of %s is not its cosignature of the checkpoint: %v", "%s 的签名行不是它对该检查点的共同签名：%v"}
	saidNoCosignature = said{"the witness has cosigned no checkpoint of the bundle", "该见证人没有共同签署审计包中的任何检查点"}
	saidOtherOrigin   = said{"the line is of another ledger than the key, which is of %s", "这一行属于另一个账本，而密钥属于 %s"}
	saidRolledBack    = said{"the ledger once had this many entries, and the bundle ends after %d: ask for one that goes further", "账本曾有这么多条目，而审计包在第 %d 条之后结束：请索取范围更大的审计包"}
	saidForked        = said{"somebody was shown another ledger: at that size, the root of this one is %s", "曾有人看到的是另一个账本：在此大小时，审计包的根是 %s"}
	saidStatement     = said{"it is not the statement of a period (%s)", "它不是某个时段的声明（%s）"}
	saidClaim         = said{"its %q is %s, and the computed one is %s", "其 %q 为 %s，而计算所得为 %s"}
	saidNoManifest    = said{"no manifest in the ledger names this report", "账本中没有这份报告的清单"}
	saidAlteredReport = said{"the report was altered: its SHA-256 is %s, and the manifest has %s", "报告已被改动：其 SHA-256 为 %s，清单中为 %s"}
	saidStrangers     = said{"more than %d records are not in the ledger; the others were not looked at", "超过 %d 条记录不在账本中，其余未再核对"}
)
