import Synchronization

/// Condition keys of which there is one for each name of a tag.
package enum PolicyKeys {
    /// A tag that the object has.
    package static let objectTag = "s3:ExistingObjectTag/"
    /// A tag that the request gives an object.
    package static let requestTag = "s3:RequestObjectTag/"
    /// A property of the item of the catalogue that the object belongs to, or that the item itself has.
    package static let product = "martlet:Product/"
    /// The same as conditions have it, whose keys are in lower case.
    static let productLowercased = "martlet:product/"
}

/// What is asked: may this principal do this to that, under these circumstances?
package struct PolicyRequest: Sendable {
    let principals: [[UInt8]]
    let federated: [[UInt8]]
    let action: [UInt8]
    let resources: [[UInt8]]
    let context: PolicyContext

    /// - Parameters:
    ///   - principal: the principal's ARN; empty for nobody in particular.
    ///   - action: like `s3:GetObject`, in any case.
    ///   - resource: the resource's ARN; its case counts.
    ///   - context: condition keys (in any case) with their values. Made when the first condition asks: most policies
    ///     have none.
    package init(
        principal: String, action: String, resource: String,
        context: @autoclosure @escaping @Sendable () -> [String: [String]] = [:]
    ) {
        self.init(principals: [principal], action: action, resources: [resource], context: context())
    }

    /// A request of somebody, or to something, that has several names. A policy speaks of it where it gives one of
    /// them; a negated element (`NotPrincipal`, `NotResource`) where it gives none.
    ///
    /// - Parameter federated: the names of the identity provider that vouches for the principal; policies give them as
    ///   `{"Federated": …}`, and what they give as `{"AWS": …}` is none of them.
    package init(
        principals: [String], federated: [String] = [], action: String, resources: [String],
        context: @autoclosure @escaping @Sendable () -> [String: [String]] = [:]
    ) {
        self.principals = principals.map { Array($0.utf8) }
        self.federated = federated.map { Array($0.utf8) }
        self.action = action.utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        self.resources = resources.map { Array($0.utf8) }
        self.context = PolicyContext(context)
    }
}

/// The condition keys of a request, by their lower-case names.
final class PolicyContext: Sendable {
    private let make: @Sendable () -> [String: [String]]
    private let made = Mutex<[String: [String]]?>(nil)

    init(_ make: @escaping @Sendable () -> [String: [String]]) { self.make = make }

    /// The values of a key; none where it is absent.
    subscript(_ lowercased: String) -> [String] {
        made.withLock { made in
            if let values = made { return values[lowercased] ?? [] }
            var values: [String: [String]] = [:]
            for (key, list) in make() { values[key.lowercased(), default: []] += list }
            made = values
            return values[lowercased] ?? []
        }
    }
}
