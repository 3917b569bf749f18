package audit

// The sentences of findings, without their keys.
var (
	saidMore           = said{"%d more of this kind", "同类问题另有 %d 项"}
	saidDoubledEntry   = said{"the ledger has two different objects under one key, of which one must have replaced the other", "账本中同一个键对应两个不同的对象，其中一个必是被另一个替换的"}
	saidDoubledRecord  = said{"the record is in the bundle twice", "该记录在审计包中出现了两次"}
	saidMisplacedEpoch = said{"the record of a ledger before this one is not the first entry", "指向前一账本的记录不是第一个条目"}
	saidUnarchived     = said{"the ledger has this record, and it is not in the bundle", "账本中有此记录，审计包中却没有"}
	saidAlteredRecord  = said{"the record was altered: its SHA-256 is %[2]s, and the ledger has %[1]s", "记录已被改动：其 SHA-256 为 %[2]s，账本中为 %[1]s"}
	saidUnloggedBytes  = said{"a record with the SHA-256 %s is not in the ledger: %v", "SHA-256 为 %s 的记录不在账本中：%v"}
	saidUnloggedRecord = said{"the record, with the SHA-256 %s, is not in the ledger", "该记录（SHA-256 为 %s）不在账本中"}
	saidNewer          = said{"this program is too old to check the record: %v", "本程序版本过旧，无法核对该记录：%v"}
	saidMisplaced      = said{"the ledger has another record under this key than belongs there: %v", "账本在此键下的记录不属于这里：%v"}
	saidNoPolicy       = said{"the report was removed although the ledger has no retention policy before that", "报告已被移除，而账本在此之前没有任何保留策略"}
	saidPrunedOther    = said{"the report that was removed is not the one of the manifest", "被移除的报告不是清单所指的那一份"}
	saidAfterStamps    = said{"it came into the ledger after the last stamp, so nothing proves when", "它在最后一个时间戳之后才进入账本，无法证明其时间"}
	saidAhead          = said{"it says that it is of %s, and it was stamped at %s already: a clock was wrong, or set", "它自称的时间是 %s，但在 %s 已有时间戳：时钟有误或被调整"}
	saidBackdated      = said{"it says that it is of %s; at %s the ledger did not have it yet, and the first stamp that proves it is of %s", "它自称的时间是 %s；而账本在 %s 时还没有它，首个能证明它的时间戳是 %s"}
	saidStampedLate    = said{"it says that it is of %s; the first stamp that proves it is of %s, and nothing shows that it was there before", "它自称的时间是 %s；首个能证明它的时间戳是 %s，此前是否存在无从证明"}
	saidPlanPart       = said{"a part of the plan since %s is missing", "自 %s 起的计划缺少一部分"}
	saidSchedule       = said{"the plan since %s has a schedule that can't be read, %.100q in the time zone %.100q, so nothing says when the pack was due", "自 %s 起的计划中有无法识别的时间表 %.100q（时区 %.100q），无从得知该合规包何时到期"}
	saidHole           = said{"nothing was said in advance of what falls due from %s to %s", "从 %s 到 %s 的应到期项目没有事先声明"}
	saidShort          = said{"the bundle says what falls due up to %s alone, and nothing of the rest of the period", "审计包只说明了到 %s 为止的应到期项目，此后的时段没有任何说明"}
	saidSlatePlan      = said{"the plan that it names, %.64s, is not in the bundle", "它所依据的计划 %.64s 不在审计包中"}
	saidLeftOut        = said{"it leaves out %s, when %.100q in %.100q falls due by its plan", "它遗漏了 %s：按其计划，%.100q（%.100q）此时到期"}
	saidNotPlanned     = said{"it lists %s of %.100q in %.100q, which its plan does not have", "它列出了 %s（%.100q，%.100q），而其计划中没有"}
	saidMissing        = said{"it was due, and has no record: neither a report nor a gap", "它已到期却没有任何记录：既无报告，也无缺口记录"}
	saidOpen           = said{"it had no record yet at the last stamp of the bundle, %s: ask for a bundle that ends later", "到审计包最后一个时间戳 %s 为止它还没有记录：请索取结束时间更晚的审计包"}
	saidTooMany        = said{"by the plans, more falls due than the ledger can have records of; it was followed up to %s", "按计划到期的项目多于账本可能拥有的记录；核对到 %s 为止"}
)
