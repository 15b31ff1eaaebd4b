"""Rules of the applications built into the core, in words."""

from __future__ import annotations

from collections.abc import Mapping

NATIVE_RULES: Mapping[str, tuple[str, str]] = {
    "evidence.already_corrected": ("该存证已关联更正", "the record has a correction already"),
    "evidence.already_cosigned": ("该账户已会签此存证", "this account has co-signed the record already"),
    "evidence.already_preserved": (
        "该哈希已存证，取证环境不能事后补记",
        "the hash is preserved already; circumstances cannot be stated afterwards",
    ),
    "evidence.already_submitted": ("该存证已提交至此事务", "the record is in this case already"),
    "evidence.already_verified": ("该证据在此事务中已核验", "the court has verified this record already"),
    "evidence.case_archived": ("事务已归档", "the case is archived"),
    "evidence.case_full": ("事务中的证据数已达上限", "the case holds as many records as it may"),
    "evidence.case_unknown": ("事务不存在", "no such case"),
    "evidence.correction_invalid": (
        "更正须指向本人另一条未被更正的存证",
        "a correction is another record of the owner that is not corrected itself",
    ),
    "evidence.cosignature_unknown": ("所列账户中有未会签者", "an account on the list has not co-signed"),
    "evidence.cosignatures_missing": ("会签数未达要求", "fewer co-signatures than asked for"),
    "evidence.item_unknown": ("该证据未提交至此事务", "the record was not submitted to this case"),
    "evidence.items_open": ("尚有证据未核验，不能归档", "the case holds records that are not verified yet"),
    "evidence.last_phase": ("事务已处于最后阶段", "the case is in its last phase"),
    "evidence.not_a_party": (
        "只有事务的开立者、法院与当事方可以提交",
        "only opener, court and parties submit to a case",
    ),
    "evidence.not_in_charge": ("只有开立者与法院可以推进阶段", "only opener and court move a case on"),
    "evidence.not_the_court": ("只有事务指定的法院账户可以核验与归档", "only the case's court verifies and archives"),
    "evidence.own_record": ("不能会签自己的存证", "nobody co-signs an own record"),
    "evidence.policy_already_set": ("会签要求已设定", "the record's policy is set already"),
    "evidence.previous_unknown": (
        "所续存证不存在或不属于本人",
        "the record to continue is unknown or not the sender's",
    ),
    "evidence.record_unknown": ("存证不存在", "no such record"),
    "evidence.role_not_held": ("账户没有所声明的角色", "the account does not hold the role"),
    "evidence.token_skew": (
        "时间戳与区块时间相差超过十分钟",
        "the time token differs from the block's time by over 10 min",
    ),
    "governance.activation_too_far": ("生效高度过远", "the activation height is too far ahead"),
    "governance.activation_too_soon": ("生效高度过近，来不及表决", "the activation height leaves no block to vote in"),
    "governance.already_active": ("插件已在运行", "the plugin is active already"),
    "governance.already_disabled": ("插件已停用", "the plugin is disabled already"),
    "governance.already_enabled": ("插件未停用", "the plugin is not disabled"),
    "governance.already_voted": ("该验证者已表决", "this validator has voted already"),
    "governance.code_differs": ("代码与在用插件不同", "the code is not the one of the plugin in the set"),
    "governance.data_between": (
        "上次迁移中途失败，数据布局不确定；请用能迁移它的版本升级",
        "a migration failed half way; upgrade to a version that migrates what is there",
    ),
    "governance.code_unchanged": ("升级前后代码相同", "the upgrade brings the same code"),
    "governance.data_differs": ("数据版本与代码不符，须先迁移", "the data is of another version than the code"),
    "governance.migrating": ("插件数据正在迁移", "the plugin's data is being migrated"),
    "governance.name_reserved": ("名称为内置应用保留", "the name belongs to an application of the core"),
    "governance.not_validator": ("签名者不是验证者", "the key is no validator's"),
    "governance.plugin_unknown": ("插件不在集合中", "the plugin is not in the set"),
    "governance.proposal_open": ("该插件已有未决提案", "the plugin has an open proposal already"),
    "governance.proposal_unknown": ("没有这个未决提案", "no such open proposal"),
    "governance.set_full": ("插件数已达上限", "the set holds as many plugins as it may"),
    "governance.too_many_open": ("未决提案已达上限", "too many open proposals"),
    "identity.account_unknown": ("账户未登记", "the account is not registered"),
    "identity.already_registered": ("账户已登记", "the account is registered already"),
    "identity.already_revoked": ("账户已吊销", "the account is revoked already"),
    "identity.own_account": ("不能吊销自己的账户", "nobody revokes the own account"),
}
