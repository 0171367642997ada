package import BucketConfiguration
import IAMPolicy
import Identity
import Wire

/// Where the gate learns what a collection says itself of who may do what.
package protocol ResourceAccessSource: Sendable {
    /// ``ResourceAccess/none`` where there is no such collection.
    func access(ofCollection name: String) async throws -> ResourceAccess
    /// - Parameter version: its name; nil for the current one.
    func acl(ofObject key: String, version: String?, in collection: String) async throws -> CannedACL
    /// - Parameter version: its name; nil for the current one.
    func tags(ofObject key: String, version: String?, in collection: String) async throws -> [(
        key: String, value: String
    )]
}

/// What a collection says of who may do what: its policy and its ACL, and what keeps both from opening it to everybody.
///
/// An ACL counts as a resource policy with one statement, so that there is one evaluation: an explicit deny anywhere
/// wins, one allow suffices, and whoever decided is named.
package struct ResourceAccess: Sendable {
    package let acl: CannedACL
    package let block: PublicAccessBlock
    package let ownership: OwnershipControls.Ownership?
    private let policy: AttachedPolicy?
    private let aclPolicy: AttachedPolicy?

    /// A collection that was told nothing.
    package static let none = ResourceAccess()

    private init() {
        acl = .private
        block = PublicAccessBlock()
        ownership = nil
        policy = nil
        aclPolicy = nil
    }

    /// - Throws: `PolicyError` for a document that is no resource policy.
    package init(
        collection: String, policy document: String?, acl: CannedACL, block: PublicAccessBlock?,
        ownership: OwnershipControls.Ownership?
    ) throws {
        self.acl = acl
        self.block = block ?? PublicAccessBlock()
        self.ownership = ownership
        policy = try document.map {
            (name: "policy of bucket \(collection)", document: try PolicyDocument(parsing: $0, kind: .resource))
        }
        aclPolicy = try Self.policy(of: acl, actions: acl.bucketActions)
    }

    /// What it says, as policies.
    var policies: [AttachedPolicy] { [policy, aclPolicy].compactMap(\.self) }

    /// Whether the policy opens something to people whom it does not name.
    package var isPolicyPublic: Bool { policy?.document.isPublic == true }

    /// Whether the policy asks for tags of objects.
    var asksObjectTags: Bool { policy?.document.asksObjectTags == true }

    /// Whether the policy asks for properties of products.
    var asksProduct: Bool { policy?.document.asksProduct == true }

    /// Whether ACLs mean anything here (BucketOwnerEnforced turns them off).
    package var hasACLs: Bool { ownership != .bucketOwnerEnforced }

    /// Whether the public may do something by policy or ACL, the switches considered.
    package var isPublic: Bool {
        (isPolicyPublic && !block.restrictsPublicBuckets) || (acl.isPublic && hasACLs && !block.ignoresPublicACLs)
    }

    // MARK: Deciding

    /// What administrators may do whatever a bucket's policy says, so that nobody can lock everybody out (as S3 has it
    /// for the root user).
    private static let repairs: Set<String> = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]

    /// Decides with a principal's own policies and those of the collection.
    func decide(
        _ request: PolicyRequest, _ action: String, by principal: Principal, _ identity: [AttachedPolicy],
        objectACL: CannedACL = .private
    ) -> Decision {
        if principal.groups.contains(administrators), Self.repairs.contains(action) {
            return request.evaluate(identity)
        }
        var applicable = identity
        if hasACLs, !block.ignoresPublicACLs {
            if let aclPolicy, Self.speaks(acl, to: principal) { applicable.append(aclPolicy) }
            if let policy = Self.objectPolicies[objectACL], Self.speaks(objectACL, to: principal) {
                applicable.append(policy)
            }
        }
        guard let policy else { return request.evaluate(applicable) }
        let decision = request.evaluate(applicable + [policy])
        // A public policy under RestrictPublicBuckets can still deny, but gives nothing to the public.
        if block.restrictsPublicBuckets, principal.isAnonymous, policy.document.isPublic,
            case .allowed(let statement) = decision.reason, statement.policy == policy.name
        {
            return request.evaluate(applicable)
        }
        return decision
    }

    /// Whether the ACL of an object could allow an action that nothing else allows.
    func countsObjectACL(for action: String) -> Bool {
        hasACLs && !block.ignoresPublicACLs && CannedACL.publicRead.objectActions.contains(action)
    }

    private static func speaks(_ acl: CannedACL, to principal: Principal) -> Bool {
        !acl.isForAuthenticated || !principal.isAnonymous
    }

    private static let objectPolicies: [CannedACL: AttachedPolicy] = {
        var policies: [CannedACL: AttachedPolicy] = [:]
        for acl in CannedACL.allCases { policies[acl] = try? policy(of: acl, actions: acl.objectActions) }
        return policies
    }()

    private static func policy(of acl: CannedACL, actions: [String]) throws -> AttachedPolicy? {
        guard !actions.isEmpty else { return nil }
        var json = JSONWriter()
        json.object { json in
            json.key("Statement")
            json.object { json in
                json.member("Effect", "Allow")
                json.member("Principal", "*")
                json.member("Action", actions)
                json.member("Resource", "*")
            }
        }
        return (name: "ACL \(acl.rawValue)", document: try PolicyDocument(parsing: json.bytes, kind: .resource))
    }
}

// What is asked before something is set.
extension ResourceAccess {
    /// Checks a policy that somebody hands in for a collection.
    ///
    /// - Returns: whether it opens something to the public.
    /// - Throws: ``PolicyStoreError`` `.invalid` for what is no resource policy, or speaks of actions or resources that
    ///   are not the collection's.
    package static func check(policy document: String, of collection: String) throws(PolicyStoreError) -> Bool {
        let parsed: PolicyDocument
        do throws(PolicyError) {
            parsed = try PolicyDocument(parsing: document, kind: .resource)
        } catch {
            throw PolicyStoreError(code: .invalid, message: error.message)
        }
        // The document is parsed already, so this is JSON, and its elements have their right forms.
        guard let json = try? JSONValue(parsing: document, maximumDepth: 16), let list = json["Statement"] else {
            throw PolicyStoreError(code: .invalid, message: "the policy is no JSON object")
        }
        for statement in list.array ?? [list] {
            for action in strings(statement, "Action", "NotAction")
            where action != "*" && !action.lowercased().hasPrefix("s3:") {
                throw PolicyStoreError(
                    code: .invalid, message: "Policy has invalid action: '\(action.prefix(80))' is none of S3's")
            }
            for resource in strings(statement, "Resource", "NotResource") where !covers(resource, collection) {
                throw PolicyStoreError(
                    code: .invalid,
                    message:
                        "Policy has invalid resource: '\(resource.prefix(200))' is not of the bucket '\(collection)'")
            }
        }
        return parsed.isPublic
    }

    private static func strings(_ statement: JSONValue, _ names: String...) -> [String] {
        names.flatMap { name in (statement[name]?.array ?? statement[name].map { [$0] } ?? []).compactMap(\.string) }
    }

    private static func covers(_ resource: String, _ collection: String) -> Bool {
        let arn = ResourceName.collection(collection)
        return resource == "*" || resource == arn || resource.hasPrefix(arn + "/") || resource.hasPrefix(arn + "*")
    }
}
