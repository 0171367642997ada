import IAMPolicy
package import Identity
import Journal
package import Policy

/// What of the catalogue somebody may search, as the policy gate decides.
package struct Visibility: Sendable {
    private let catalogue: Catalogue
    private let gate: Gate
    private let known = RecentReads<Known>()

    private struct Known {
        var whole: CollectionDirectory
        var visible: CollectionDirectory
    }

    /// Collections up to which a change of policy counts at once; with more, deciding on each anew after every change
    /// on the node would be felt, and it counts within a second.
    private static let decidedAnewMax = 500

    package init(_ catalogue: Catalogue, _ gate: Gate) {
        self.catalogue = catalogue
        self.gate = gate
    }

    /// The collections whose items somebody may search, with those of their items.
    ///
    /// - Parameter names: only these are asked for; nil for all.
    /// - Throws: `AccessDenied` where nobody without a name may see anything, so that a client knows that it has to log
    ///   in.
    package func collections(
        for principal: Principal, _ context: RequestContext, only names: [String]? = nil
    ) async throws -> CollectionDirectory {
        let directory = try await catalogue.directory()
        let visible: CollectionDirectory
        if let names {
            visible = try await part(of: directory, names.filter(directory.contains), principal, context)
        } else {
            let key = cacheKey(principal, context, directory)
            if let known = known[key], known.whole === directory {
                visible = known.visible
            } else {
                visible = try await part(of: directory, directory.names, principal, context)
                known[key] = Known(whole: directory, visible: visible)
            }
        }
        if visible.isEmpty, principal.isAnonymous {
            try await gate.require(principal, "stac:Search", on: ResourceName.stacCollection("*"), context)
        }
        return visible
    }

    /// One collection, with those of its items that somebody may search. Whether it is there is not asked.
    ///
    /// - Throws: `AccessDenied` with the reason where that is none of them.
    package func items(
        of name: String, for principal: Principal, _ context: RequestContext
    ) async throws -> CollectionDirectory {
        let test = try await gate.itemTest(principal, "stac:Search", in: name, context)
        if test.isAlways || test.isNever {
            try await gate.require(principal, "stac:Search", on: ResourceName.stacCollection(name), context)
        }
        return try await catalogue.directory().filtered(to: [name: test])
    }

    private func part(
        of directory: CollectionDirectory, _ names: [String], _ principal: Principal, _ context: RequestContext
    ) async throws -> CollectionDirectory {
        let tests = try await gate.itemTests(principal, "stac:Search", in: names, context)
        return directory.filtered(to: Dictionary(zip(names, tests)) { first, _ in first })
    }

    /// Everything that a policy may ask about, but for the time.
    private func cacheKey(
        _ principal: Principal, _ context: RequestContext, _ directory: CollectionDirectory
    ) -> String {
        let generation = directory.count <= Self.decidedAnewMax ? catalogue.journal.generation : 0
        let values = context.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let parts =
            [principal.arn, principal.method.rawValue, context.address, "\(context.isSecure)", "\(generation)"]
            + principal.groups + values
        return parts.joined(separator: "\u{0}")
    }
}
