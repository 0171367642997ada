import Journal
import Notifications
import Testing
import Wire

@testable import NotificationAPI

@Suite struct TopicFilterTests {
    private func filter(_ text: String) throws -> TopicFilter {
        try TopicFilter(text, names: ["kind", "subject"], example: "kind=a")
    }

    @Test("of one name one has to hold, of different names all")
    func conditions() throws {
        let filter = try filter("kind=policy.*&kind=role.created&subject=a%26b")
        func allows(_ kind: String, _ subject: String) -> Bool {
            filter.allows("kind") { covers($0, kind) } && filter.allows("subject") { covers($0, subject) }
        }
        #expect(allows("policy.stored", "a&b") && allows("role.created", "a&b"))
        #expect(!allows("role.deleted", "a&b") && !allows("policy.stored", "a") && !allows("policy", "a&b"))
        #expect(try self.filter("").allows("kind") { _ in false })
    }

    @Test(
        "what is no filter is refused",
        arguments: [
            "colour=red", "kind", "kind=", "=x", "kind=%zz", "kind=%00", String(repeating: "kind=a&", count: 101),
        ])
    func refusals(text: String) {
        #expect(throws: NotificationsError.self) { try filter(text) }
    }

    // MARK: Rules

    private func change(_ kind: String, _ subject: String, _ detail: String = "{}") -> RuleChange? {
        RuleChange(
            Event(
                tid: 1, sequence: 0, time: .now, kind: EventKind(kind), actor: "ada", subject: subject, collection: nil,
                detail: detail))
    }

    @Test(
        "who may read a rule hears of it",
        arguments: [
            ("policy.stored", "readers", "{}", "iam:GetPolicy", "arn:martlet:iam:::policy/readers"),
            ("policy.inline-stored", "user:ada", "{}", "iam:GetUserPolicy", "arn:martlet:iam:::account/ada"),
            ("policy.inline-deleted", "group:g", "{}", "iam:GetGroupPolicy", "arn:martlet:iam:::group/g"),
            ("boundary.set", "role:r", "{}", "iam:GetRolePolicy", "arn:martlet:iam:::role/r"),
            ("boundary.removed", "space:s", "{}", "iam:ListPolicies", "arn:martlet:iam:::policy/*"),
            ("role.changed", "r", "{}", "iam:GetRole", "arn:martlet:iam:::role/r"),
            ("collection.configured", "eo", #"{"setting":"acl"}"#, "s3:GetBucketAcl", "arn:aws:s3:::eo"),
            ("object.acl", "eo/a/b", "{}", "s3:GetObjectAcl", "arn:aws:s3:::eo/a/b"),
        ])
    func rules(kind: String, subject: String, detail: String, action: String, resource: String) throws {
        let rule = try #require(change(kind, subject, detail))
        #expect(rule.action == action && rule.resource == resource)
        // What waits is read as the same.
        let again = try #require(RuleChange(rule.content))
        #expect(again.action == action && again.resource == resource && again.content == rule.content)
    }

    @Test(
        "what is no rule is not told",
        arguments: [
            ("object.put", "eo/a", "{}"), ("collection.configured", "eo", #"{"setting":"cors"}"#),
            ("collection.configured", "eo", #"{"versioning":"on"}"#), ("boundary.set", "nobody", "{}"),
            ("object.acl", "eo", "{}"), ("policy.stored", "a", "no JSON"), ("login.failed", "ada", "{}"),
        ])
    func others(kind: String, subject: String, detail: String) { #expect(change(kind, subject, detail) == nil) }

    @Test("from where somebody changed a rule is not told")
    func origin() throws {
        let told = try #require(
            change("policy.stored", "a", #"{"document":"{}","client":"10.0.0.7","request":"r1"}"#))
        #expect(
            String(decoding: told.content, as: UTF8.self)
                == #"{"kind":"policy.stored","subject":"a","actor":"ada","detail":{"document":"{}"}}"#)
    }
}
