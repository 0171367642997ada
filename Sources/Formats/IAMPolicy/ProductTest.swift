/// What the properties of a product have to be for a request to be allowed: what is left of a decision that is made
/// before the product is known.
package indirect enum ProductTest: Sendable {
    /// Whatever they are.
    case always
    /// Whatever they are, it is denied.
    case never
    case property(ProductProperty)
    case all([ProductTest])
    case any([ProductTest])
    case not(ProductTest)

    package var isAlways: Bool { if case .always = self { true } else { false } }
    package var isNever: Bool { if case .never = self { true } else { false } }

    /// - Parameter values: the values of a property by its name in lower case; none where it has none.
    package func holds(_ values: (String) -> [String]) -> Bool {
        switch self {
        case .always: true
        case .never: false
        case .property(let property): property.holds(values(property.name))
        case .all(let tests): tests.allSatisfy { $0.holds(values) }
        case .any(let tests): tests.contains { $0.holds(values) }
        case .not(let test): !test.holds(values)
        }
    }

    /// Without what is true or false already.
    static func all(of tests: [ProductTest]) -> ProductTest {
        if tests.contains(where: \.isNever) { return .never }
        let open = tests.filter { !$0.isAlways }
        return open.count > 1 ? .all(open) : open.first ?? .always
    }

    static func any(of tests: [ProductTest]) -> ProductTest {
        if tests.contains(where: \.isAlways) { return .always }
        let open = tests.filter { !$0.isNever }
        return open.count > 1 ? .any(open) : open.first ?? .never
    }

    static func negation(of test: ProductTest) -> ProductTest {
        switch test {
        case .always: .never
        case .never: .always
        default: .not(test)
        }
    }
}

/// One condition on a property of a product, with all else that it compares with.
package struct ProductProperty: Sendable {
    /// In lower case, as condition keys are.
    package let name: String
    let condition: Condition
    private let context: PolicyContext
    private let unknown: Bool

    init(_ condition: Condition, _ context: PolicyContext, unknown: Bool) {
        name = String(condition.key.dropFirst(PolicyKeys.productLowercased.count))
        self.condition = condition
        self.context = context
        self.unknown = unknown
    }

    /// - Parameter values: of the property, as text; none where it has none.
    package func holds(_ values: [String]) -> Bool { condition.holds(values, context, unknown: unknown) }
}

extension Condition {
    /// Whether it asks for a property of a product.
    var asksProduct: Bool { key.hasPrefix(PolicyKeys.productLowercased) }
}

extension PolicyRequest {
    /// Decides as ``evaluate(_:)`` does on each of many resources, but for the properties of the product, of which
    /// nothing is known yet. What statements ask besides the resource is looked at once.
    ///
    /// - Parameter resources: ARNs; the request's own are not looked at.
    /// - Returns: a test for each, in their order.
    package func productTests(
        _ policies: [(name: String, document: PolicyDocument)], of resources: [String]
    ) -> [ProductTest] {
        let open = policies.map { policy in
            let statements = policy.document.statements.map { ($0, $0.productTest(self)) }
            return (kind: policy.document.kind, statements: statements.filter { !$0.1.isNever })
        }
        return resources.map { resource in
            let names = [Array(resource.utf8)]
            var (denying, allowing, boundaries): ([ProductTest], [ProductTest], [ProductTest]) = ([], [], [])
            for (kind, statements) in open {
                var allowedHere: [ProductTest] = []
                for (statement, test) in statements where statement.covers(names, context) {
                    if statement.effect == .deny { denying.append(test) } else { allowedHere.append(test) }
                }
                if kind == .boundary { boundaries.append(.any(of: allowedHere)) } else { allowing += allowedHere }
            }
            return .all(of: [.any(of: allowing), .negation(of: .any(of: denying))] + boundaries)
        }
    }
}

extension Statement {
    /// Under which properties of the product it speaks of a request, whatever resource that names.
    fileprivate func productTest(_ request: PolicyRequest) -> ProductTest {
        let unknown = effect == .deny
        let known = conditions.filter { !$0.asksProduct }
        guard coversAction(of: request), isAbout(request, conditions: known) else { return .never }
        return .all(
            of: conditions.filter(\.asksProduct).map {
                .property(ProductProperty($0, request.context, unknown: unknown))
            })
    }
}
