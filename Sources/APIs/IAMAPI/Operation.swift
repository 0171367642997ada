import Wire

/// An action of IAM or STS, with exactly the parameters that it takes: what is not known is refused, so that nobody
/// takes a limit for set that is not.
struct Operation: Sendable {
    enum Service: String, Sendable {
        case iam, sts

        var version: String { self == .iam ? "2010-05-08" : "2011-06-15" }
        var namespace: String { "https://\(rawValue).amazonaws.com/doc/\(version)/" }
    }

    typealias Performance = @Sendable (IAMService, Call) async throws -> Fields?

    let service: Service
    let name: String
    /// Names; of a list (`ClientIDList.member.1`) what stands before `.member`.
    let parameters: Set<String>
    /// Whether who asks proves it otherwise than by a signature.
    let isUnsigned: Bool
    let perform: Performance

    init(
        _ service: Service, _ name: String, _ parameters: [String], isUnsigned: Bool = false,
        _ perform: @escaping Performance
    ) {
        self.service = service
        self.name = name
        self.parameters = Set(parameters)
        self.isUnsigned = isUnsigned
        self.perform = perform
    }

    /// Parameters of every list that comes in pages.
    static let page = ["Marker", "MaxItems"]

    private static let all: [String: Operation] = {
        let iam = [
            IAMService.users, IAMService.accessKeys, IAMService.groups, IAMService.roles, IAMService.managedPolicies,
            IAMService.providers, IAMService.simulations, PolicyHolder.allCases.flatMap(IAMService.inlinePolicies),
            PolicyHolder.allCases.flatMap(IAMService.attachments), IAMService.boundaries, IAMService.temporaryKeys,
        ]
        return Dictionary(iam.joined().map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }()

    /// - Throws: ``IAMError`` `MissingAction`, `InvalidAction`.
    static func find(_ form: QueryItems) throws -> Operation {
        guard let name = form["Action"], !name.isEmpty else { throw IAMError(.missingAction, "Action is missing") }
        guard let operation = all[name] else {
            throw IAMError(.invalidAction, "there is no action '\(name.prefix(128))' here")
        }
        if let version = form["Version"], version != operation.service.version {
            throw IAMError(.invalidAction, "\(name) is of version \(operation.service.version)")
        }
        return operation
    }
}
