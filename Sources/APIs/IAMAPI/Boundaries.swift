import Policy
import Wire

/// What users and roles may at most do: a managed policy that grants nothing itself.
extension IAMService {
    static let boundaries: [Operation] = [PolicyHolder.user, .role].flatMap { holder in
        [
            Operation(
                .iam, "Put\(holder.rawValue)PermissionsBoundary", [holder.parameter, "PermissionsBoundary"]
            ) { service, call in
                let name = try call.parameters.required(holder.parameter)
                guard let boundary = try call.boundary() else {
                    throw IAMError(.validationError, "PermissionsBoundary is missing")
                }
                try await call.permit(on: holder.resource(name), with: Call.boundaryKeys(boundary))
                try await service.policies.setBoundary(boundary, of: holder.bounded(name), by: call.actor)
                return nil
            },
            Operation(.iam, "Delete\(holder.rawValue)PermissionsBoundary", [holder.parameter]) { service, call in
                let name = try call.parameters.required(holder.parameter)
                try await call.permit(on: holder.resource(name))
                try await service.policies.removeBoundary(of: holder.bounded(name), by: call.actor)
                return nil
            },
        ]
    }

    static func write(boundary: String?, _ xml: inout XMLWriter) {
        guard let boundary else { return }
        xml.element("PermissionsBoundary") {
            $0.element("PermissionsBoundaryType", "Policy")
            $0.element("PermissionsBoundaryArn", arn(policy: boundary))
        }
    }
}

extension PolicyHolder {
    fileprivate func bounded(_ name: String) -> Bounded { self == .role ? .role(name) : .account(name) }
}

extension Call {
    /// The name of the policy that is to be a boundary; nil where none is given.
    func boundary() throws -> String? {
        try parameters["PermissionsBoundary"].map { try IAMService.policy(arn: $0, "PermissionsBoundary") }
    }

    /// `iam:PermissionsBoundary` lets a policy say with which boundary somebody may make users and roles.
    static func boundaryKeys(_ boundary: String?) -> [String: [String]] {
        boundary.map { ["iam:PermissionsBoundary": [IAMService.arn(policy: $0)]] } ?? [:]
    }
}
