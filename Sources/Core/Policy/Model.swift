import IAMPolicy
package import Wire

/// A policy that the node keeps, by name.
package struct StoredPolicy: Sendable {
    package var name: String
    /// The document exactly as it was handed in.
    package var document: String
    package var description: String
    package var created: Timestamp
    package var attachments: [Attachment]
}

/// To whom a policy applies.
package enum Attachment: Sendable, Hashable {
    case account(String)
    case group(String)
    case role(String)
    /// Everybody who has proved who they are.
    case authenticated
    /// Everybody at all.
    case everyone

    /// `user:NAME`, `group:NAME`, `role:NAME`, `authenticated` or `everyone`.
    package init?(_ text: String) {
        if text == "authenticated" {
            self = .authenticated
        } else if text == "everyone" {
            self = .everyone
        } else if text.hasPrefix("user:"), text.count > 5 {
            self = .account(String(text.dropFirst(5)))
        } else if text.hasPrefix("group:"), text.count > 6 {
            self = .group(String(text.dropFirst(6)))
        } else if text.hasPrefix("role:"), text.count > 5 {
            self = .role(String(text.dropFirst(5)))
        } else {
            return nil
        }
    }

    package var text: String {
        switch self {
        case .account(let name): "user:\(name)"
        case .group(let name): "group:\(name)"
        case .role(let name): "role:\(name)"
        case .authenticated: "authenticated"
        case .everyone: "everyone"
        }
    }
}

/// A request was refused by policy. `reason` names the statement that decided.
package struct AccessDenied: Error, Sendable, CustomStringConvertible {
    package var principal: String
    package var action: String
    package var resource: String
    package var reason: String
    package var isAnonymous: Bool

    package var description: String { "\(principal) may not \(action) on \(resource): \(reason)" }
}

/// Why a policy was not taken.
package struct PolicyStoreError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable { case notFound, invalid, reserved, exists, conflict, limit }

    package var code: Code
    package var message: String
    package var description: String { message }
}
