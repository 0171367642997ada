package import IAMPolicy
package import Identity
package import Journal
import Wire

/// The circumstances of a request that policies can ask about.
package struct RequestContext: Sendable {
    package var address: String
    package var isSecure: Bool
    /// Further condition keys, such as `s3:prefix`.
    package var values: [String: [String]] = [:]

    package init(address: String, isSecure: Bool) {
        self.address = address
        self.isSecure = isSecure
    }

    /// Adds what is known of a product.
    mutating func add(_ properties: [String: [String]]) {
        for (name, list) in properties { values[PolicyKeys.product + name] = list }
    }
}

/// Where the gate learns of the products that policies ask about.
package protocol ProductSource: Sendable {
    /// The properties of the item that an object belongs to, as text; a list has several. Empty where there is none.
    func properties(ofObject key: String, in collection: String) async throws -> [String: [String]]
    /// The same of an item, by its id.
    func properties(ofItem id: String, in collection: String) async throws -> [String: [String]]
}

/// The one gate (DESIGN, idea 3): may this principal do this to that? Default deny.
package final class Gate: Sendable {
    let policies: Policies
    private let journal: Journal
    let resources: (any ResourceAccessSource)?
    let products: (any ProductSource)?

    /// - Parameters:
    ///   - resources: what collections say themselves of who may do what; nil where there are none.
    ///   - products: what is known of products; nil where there are none.
    package init(
        policies: Policies, journal: Journal, resources: (any ResourceAccessSource)? = nil,
        products: (any ProductSource)? = nil
    ) {
        self.policies = policies
        self.journal = journal
        self.resources = resources
        self.products = products
    }

    /// Decides, and says why. Nothing is recorded: for filtering lists and for explaining.
    package func decide(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws -> Decision {
        try await decide(try await question(principal, action, on: resource, context))
    }

    /// What one decision is made of.
    struct Question: Sendable {
        var principal: Principal
        var action: String
        var request: PolicyRequest
        /// What applies to the principal.
        var policies: [AttachedPolicy]
        /// What the collection says itself.
        var access: ResourceAccess
        var collection: String?
        var key: String?
        /// Of the object; nil for the current one.
        var version: String?
    }

    /// Gathers what a decision needs, and no more: tags of an object and properties of a product are read only where a
    /// policy asks for some.
    func question(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws -> Question {
        let named = ResourceName.parse(resource)
        let item = named == nil ? ResourceName.parse(item: resource) : nil
        let isRepair = Policies.boundaryRepairs.contains(action) && principal.groups.contains(administrators)
        let applicable = try await policies.applicable(
            to: principal, inSpace: named != nil || item != nil || resource.hasPrefix(ResourceName.ledger),
            isRepair: isRepair)
        let access =
            if let resources, let named { try await resources.access(ofCollection: named.collection) } else {
                ResourceAccess.none
            }
        let version = context.values["s3:VersionId"]?.first
        var circumstances = context
        if let (collection, key) = named, let key {
            if access.asksObjectTags || applicable.contains(where: \.document.asksObjectTags) {
                for tag in try await resources?.tags(ofObject: key, version: version, in: collection) ?? [] {
                    circumstances.values[PolicyKeys.objectTag + tag.key] = [tag.value]
                }
            }
            if let products, access.asksProduct || applicable.contains(where: \.document.asksProduct) {
                circumstances.add(try await products.properties(ofObject: key, in: collection))
            }
        }
        if let products, let (collection, id) = item, let id, applicable.contains(where: \.document.asksProduct) {
            circumstances.add(try await products.properties(ofItem: id, in: collection))
        }
        let known = circumstances
        return Question(
            principal: principal, action: action, request: Self.request(principal, action, resource, known),
            policies: applicable, access: access, collection: named?.collection, key: named?.key, version: version)
    }

    private static func request(
        _ principal: Principal, _ action: String, _ resource: String, _ context: RequestContext
    ) -> PolicyRequest {
        // Nobody in particular is meant by `*` alone, not by an ARN with a wildcard in it.
        PolicyRequest(
            principals: principal.isAnonymous ? [""] : principal.arns, action: action,
            resources: ResourceName.all(of: resource), context: conditionKeys(principal, context))
    }

    func decide(_ question: Question) async throws -> Decision {
        let (request, applicable, access) = (question.request, question.policies, question.access)
        guard let resources, let collection = question.collection else { return request.evaluate(applicable) }
        let decision = access.decide(request, question.action, by: question.principal, applicable)
        // The ACL of an object is looked at last, since it has to be read.
        guard decision.reason == .noMatchingAllow, let key = question.key,
            access.countsObjectACL(for: question.action)
        else { return decision }
        let acl = try await resources.acl(ofObject: key, version: question.version, in: collection)
        return access.decide(request, question.action, by: question.principal, applicable, objectACL: acl)
    }

    /// Which items of a collection somebody may see: all, none, or those whose properties pass.
    package func itemTest(
        _ principal: Principal, _ action: String, in collection: String, _ context: RequestContext
    ) async throws -> ProductTest {
        try await itemTests(principal, action, in: [collection], context)[0]
    }

    /// The same for each of many collections, in their order. What applies is looked up once.
    package func itemTests(
        _ principal: Principal, _ action: String, in collections: [String], _ context: RequestContext
    ) async throws -> [ProductTest] {
        let resources = collections.map(ResourceName.stacCollection)
        guard let first = resources.first else { return [] }
        let question = try await question(principal, action, on: first, context)
        return question.request.productTests(question.policies, of: resources)
    }

    /// Decides, records the access or the denial, and throws where the answer is no.
    ///
    /// A denial is in the journal before the caller hears of it, equal ones of a minute counted; an allowed access is
    /// written within a second.
    ///
    /// - Throws: ``AccessDenied``.
    package func require(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws {
        let decision = try await decide(principal, action, on: resource, context)
        let reason = decision.description
        guard !decision.isAllowed else {
            note(principal, action, resource, reason, context)
            return
        }
        throw try await denied(principal, action, on: resource, reason, context)
    }

    /// Decides on many resources of one kind, as if each was asked for; what applies is looked up once. Allowed, they
    /// are one access to `whole`: what becomes of each, the journal says.
    ///
    /// - Throws: ``AccessDenied`` of the first that is denied.
    package func require(
        _ principal: Principal, _ action: String, onEach resources: [String], as whole: String,
        _ context: RequestContext
    ) async throws {
        guard let first = resources.first else { return }
        var question = try await question(principal, action, on: first, context)
        guard resources.count > 1, question.collection == nil,
            !question.policies.contains(where: \.document.asksProduct)
        else {
            for resource in resources { try await require(principal, action, on: resource, context) }
            return
        }
        var reason = ""
        for resource in resources {
            question.request = Self.request(principal, action, resource, context)
            let decision = try await decide(question)
            guard decision.isAllowed else {
                throw try await denied(principal, action, on: resource, decision.description, context)
            }
            if reason.isEmpty { reason = decision.description }
        }
        note(principal, action, whole, reason, context)
    }

    /// Lets somebody look after what is their own: everybody may, whom no policy denies it, with all their rights. Who
    /// shows a token with fewer, or credentials that were lent, may not.
    ///
    /// - Throws: ``AccessDenied``.
    package func requireOwn(_ principal: Principal, _ action: String, _ context: RequestContext) async throws {
        let resource = ResourceName.account(principal.name)
        let decision = try await decide(principal, action, on: resource, context)
        var reason = decision.description
        if case .explicitDeny = decision.reason {
        } else {
            guard principal.accountID == nil || principal.session != nil || principal.scopes?.limit != nil else {
                return note(principal, action, resource, "Allowed because it is their own.", context)
            }
            reason = "Denied because it takes all rights of an account."
        }
        throw try await denied(principal, action, on: resource, reason, context)
    }

    /// Decides what of many things somebody is shown: what is allowed is recorded, what is not is simply left out.
    package func permits(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws -> Bool {
        let decision = try await decide(principal, action, on: resource, context)
        guard decision.isAllowed else { return false }
        note(principal, action, resource, decision.description, context)
        return true
    }

    private func note(
        _ principal: Principal, _ action: String, _ resource: String, _ reason: String, _ context: RequestContext
    ) {
        journal.note(
            AccessRecord(
                principal: principal.name, action: action, resource: resource, address: context.address,
                reason: reason))
    }

    /// Records a denial and gives the error that says so.
    ///
    /// - Parameter isKnown: whether somebody proved who they are though they have no account here.
    func denied(
        _ principal: Principal, _ action: String, on resource: String, _ reason: String, _ context: RequestContext,
        isKnown: Bool = false
    ) async throws -> AccessDenied {
        let refusal = CountedEvent.refusal(
            of: principal.name, on: resource, action: action, reason: reason, address: context.address)
        // Programs ask without a name first, to be told how to log in: that waits for no transaction.
        if principal.isAnonymous, !isKnown { journal.note(refusal) } else { try await journal.tell(refusal) }
        return AccessDenied(
            principal: principal.name, action: action, resource: resource, reason: reason,
            isAnonymous: principal.isAnonymous && !isKnown)
    }

    /// What a write is refused with that would replace an object, where the token lets its bearer create only. Counted:
    /// it is found out within the write's own transaction.
    package func replacing(
        _ principal: Principal, on resource: String, _ context: RequestContext
    ) -> AccessDenied {
        let (action, reason) = ("s3:PutObject", "the token lets objects be created, and there is one already")
        journal.note(
            .refusal(of: principal.name, on: resource, action: action, reason: reason, address: context.address))
        return AccessDenied(
            principal: principal.name, action: action, resource: resource, reason: reason, isAnonymous: false)
    }

    static func conditionKeys(_ principal: Principal, _ context: RequestContext) -> [String: [String]] {
        let now = Timestamp.now
        var keys = context.values
        // First, so that no claim of a token stands for anything else.
        if let session = principal.session { keys.merge(session.claims) { known, _ in known } }
        keys["aws:SourceIp"] = [context.address]
        keys["aws:SecureTransport"] = [context.isSecure ? "true" : "false"]
        keys["aws:CurrentTime"] = [now.rfc3339]
        keys["aws:EpochTime"] = [String(now.seconds)]
        keys["aws:PrincipalArn"] = [principal.arn]
        keys["martlet:AuthenticationMethod"] = [principal.method.rawValue]
        if let id = principal.accountID {
            keys["aws:username"] = [principal.name]
            keys["aws:userid"] = [String(id)]
            keys["aws:PrincipalType"] = [principal.kind.rawValue]
            keys["jwt:preferred_username"] = [principal.name]
            keys["jwt:sub"] = [String(id)]
            keys["jwt:groups"] = principal.groups
        }
        if let scopes = principal.scopes { keys["martlet:Scope"] = scopes.names }
        if let client = principal.client { keys["martlet:ClientID"] = [client] }
        if let authentication = principal.authentication {
            keys["martlet:AuthenticationFactors"] = authentication.factors.map(\.rawValue)
            keys["martlet:AuthenticationContext"] = [authentication.acr]
            keys["martlet:AuthenticationAge"] = [String(max(0, now.seconds - authentication.time.seconds))]
            keys["aws:MultiFactorAuthPresent"] = [authentication.isMultiFactor ? "true" : "false"]
            if authentication.isMultiFactor { keys["aws:MultiFactorAuthAge"] = keys["martlet:AuthenticationAge"] }
        }
        if let session = principal.session {
            keys["aws:TokenIssueTime"] = [session.issued.rfc3339]
            if let role = session.role {
                keys["aws:PrincipalArn"] = [Role.arn(role.name)]
                keys["aws:userid"] = ["\(role.id):\(session.name)"]
                keys["aws:PrincipalType"] = ["AssumedRole"]
                keys["sts:RoleSessionName"] = [session.name]
            }
        }
        return keys
    }
}

extension Principal {
    /// The names by which policies of resources know it: who has assumed a role is the session and the role.
    var arns: [String] { [arn] + (session?.role.map { [Role.arn($0.name)] } ?? []) }
}

/// Names of things in policies.
package enum ResourceName {
    /// What clients of AWS are told as the number of their account: a node is one.
    package static let accountID = "martlet"

    package static func collection(_ name: String) -> String { "arn:aws:s3:::\(name)" }
    package static func object(_ collection: String, _ key: String) -> String { "arn:aws:s3:::\(collection)/\(key)" }

    /// The collection, and the key if it is an object's, of a name made by the two above.
    static func parse(_ resource: String) -> (collection: String, key: String?)? {
        parts(of: resource, below: "arn:aws:s3:::").map { ($0.name, $0.rest) }
    }

    /// The collection, and the id if it is an item's, of a name made by ``item(_:_:)`` or ``stacCollection(_:)``.
    static func parse(item resource: String) -> (collection: String, id: String?)? {
        parts(of: resource, below: "arn:martlet:stac:::").map { ($0.name, $0.rest) }
    }

    private static func parts(of resource: String, below prefix: String) -> (name: String, rest: String?)? {
        guard resource.utf8.starts(with: prefix.utf8) else { return nil }
        let rest = resource.utf8.dropFirst(prefix.utf8.count)
        let slash = rest.firstIndex(of: UInt8(ascii: "/"))
        let name = String(Substring(rest[..<(slash ?? rest.endIndex)]))
        guard !name.isEmpty, name != "*" else { return nil }
        return (name, slash.map { String(Substring(rest[$0...].dropFirst())) })
    }

    /// An item of the catalogue; `*` for all of a collection.
    package static func item(_ collection: String, _ id: String) -> String { "arn:martlet:stac:::\(collection)/\(id)" }
    package static func stacCollection(_ name: String) -> String { "arn:martlet:stac:::\(name)" }
    package static func account(_ name: String) -> String { "arn:martlet:iam:::account/\(name)" }
    package static func group(_ name: String) -> String { "arn:martlet:iam:::group/\(name)" }
    package static func policy(_ name: String) -> String { "arn:martlet:iam:::policy/\(name)" }
    /// A key of the hierarchy: `master`, `space/NAME`, `collection/NAME`; `*` for all.
    package static func encryptionKey(_ name: String) -> String { "arn:martlet:encryption:::\(name)" }
    package static func space(_ name: String) -> String { "arn:martlet:iam:::space/\(name)" }
    package static func role(_ name: String) -> String { "arn:martlet:iam:::role/\(name)" }
    package static func issuer(_ name: String) -> String { "arn:martlet:iam:::oidc-provider/\(name)" }
    /// An application that people log in to with this node.
    package static func client(_ id: String) -> String { "arn:martlet:iam:::client/\(id)" }
    package static func webhook(_ name: String) -> String { "arn:martlet:webhook:::\(name)" }
    /// `collections/NAME` or `spaces/NAME`. No name of a collection, so that its own policy does not speak of it.
    package static func quota(_ path: String) -> String { "arn:martlet:quota:::\(path)" }
    /// What is to be done about viruses in a collection.
    package static func scanning(_ collection: String) -> String { "arn:martlet:scanning:::\(collection)" }
    /// A branch of the directory: `people`, `groups` or `services`.
    package static func directory(_ branch: DirectoryBranch) -> String { "arn:martlet:directory:::\(branch.rawValue)" }
    /// The transactions that an account has opened.
    package static func transaction(_ owner: String) -> String { "arn:martlet:transactions:::\(owner)" }
    /// What the ledger has: it belongs to the space, as collections do.
    static let ledger = "arn:martlet:ledger:::"
    /// A trace of a product of this name.
    package static func trace(_ name: String) -> String { "\(ledger)traces/\(name)" }
    /// Who signs traces, by the SHA-256 of the certificate.
    package static func signer(_ digest: String) -> String { "\(ledger)signers/\(digest)" }
    /// An entry of the ledger's registry, such as `event-types/download`.
    package static func registry(_ kind: String, _ name: String) -> String {
        "\(ledger)\(kind)/\(name)"
    }
    /// A request for a key to be registered; `*` for all.
    package static func keyRequest(_ id: String) -> String { "\(ledger)key-requests/\(id)" }
    /// The authority that issues certificates.
    package static let authority = "arn:martlet:authority:::issuers"
    /// The audit trail.
    package static let audit = "arn:martlet:audit:::journal"
    package static let everything = "*"

    /// All names of a thing: what IAM knows as well, policies may name in IAM's way.
    static func all(of resource: String) -> [String] {
        let prefix = "arn:martlet:iam:::"
        guard resource.hasPrefix(prefix) else { return [resource] }
        let rest = resource.dropFirst(prefix.count)
        let name = rest.hasPrefix("account/") ? "user/" + rest.dropFirst("account/".count) : String(rest)
        return [resource, "arn:aws:iam::martlet:" + name]
    }
}
