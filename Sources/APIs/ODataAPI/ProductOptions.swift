import Catalogue
import HTTPSupport
import Wire

extension ODataOptions {
    /// What products show only where it is asked for.
    enum Expansion: String, CaseIterable { case attributes = "Attributes", assets = "Assets", locations = "Locations" }

    /// Of a request for products.
    init(products query: QueryItems) throws {
        try self.init(query, expansions: Expansion.allCases.map(\.rawValue))
    }

    func expands(_ part: Expansion) -> Bool { expand.contains(part.rawValue) }

    /// Products come newest first where nothing else is asked for.
    func sortOrder() throws -> SortOrder {
        guard order.count <= SortOrder.fieldsMax else {
            throw Problem.badRequest("$orderby takes 1 to \(SortOrder.fieldsMax) names")
        }
        return SortOrder(
            try order.map { part in
                guard let property = part.name == "Name" ? "id" : FilterTranslation.moments[part.name] else {
                    throw Self.unknown(part, ["Name"] + FilterTranslation.moments.keys.sorted())
                }
                return SortOrder.Field(property, isDescending: part.isDescending)
            })
    }

    /// Deleted products come by the time when they were removed, the latest first, where nothing else is asked for.
    func deletedOrder() throws -> (DeletedQuery.Order, isDescending: Bool) {
        guard order.count <= 1 else { throw Problem.badRequest("$orderby takes one name for deleted products") }
        guard let part = order.first else { return (.deletion, true) }
        switch part.name {
        case "DeletionDate": return (.deletion, part.isDescending)
        case "Name": return (.id, part.isDescending)
        case "ContentDate/Start": return (.start, part.isDescending)
        default: throw Self.unknown(part, ["DeletionDate", "Name", "ContentDate/Start"])
        }
    }

    private static func unknown(_ part: Ordering, _ names: [String]) -> Problem {
        .badRequest("$orderby is one of \(names.joined(separator: ", ")), not '\(part.name.prefix(80))'")
    }
}
