import CQL2
import Catalogue
import IAMPolicy
package import Identity
package import Journal
package import Notifications
import ODataFilter
package import Policy
import Wire

/// What there is to tell of products, and to whom.
///
/// An item is looked at as it is when its event's turn comes, or as it was when it was removed; who may not see it is
/// told nothing of it.
package struct ProductTopic: Topic {
    package let name = SubscriptionTerms.products
    private let service: ODataService

    private static let changesAtOnce = 100

    package init(_ service: ODataService) { self.service = service }

    package func check(_ filter: String) async throws { _ = try await condition(filter) }

    private func condition(_ filter: String) async throws -> CQL2? {
        do {
            return try await service.condition(ofSubscription: filter)
        } catch let error as ODataError {
            throw NotificationsError(code: .invalid, message: "filter: \(error)")
        }
    }

    package func notices(in events: [Event], for listeners: [Listener]) async throws -> [[Notice]] {
        let changes = events.compactMap(ItemChange.init)
        guard !changes.isEmpty, !listeners.isEmpty else { return listeners.map { _ in [] } }
        var asking: [(index: Int, condition: CQL2?)] = []
        for (index, listener) in listeners.enumerated() {
            do {
                asking.append((index, try await condition(listener.filter)))
            } catch is NotificationsError {
                continue
            }
        }
        var found: [[Notice]] = listeners.map { _ in [] }
        for start in stride(from: 0, to: changes.count, by: Self.changesAtOnce) {
            let part = changes[start..<min(start + Self.changesAtOnce, changes.count)]
            let facts = try await service.catalogue.facts(of: Array(Set(part.map(\.notice.number))))
            for (index, condition) in asking {
                found[index] += try await notices(part, facts, condition, listeners[index])
            }
        }
        return found
    }

    private func notices(
        _ changes: ArraySlice<ItemChange>, _ facts: [Int64: KnownItem], _ condition: CQL2?, _ listener: Listener
    ) async throws -> [Notice] {
        var tests: [String: ProductTest] = [:]
        var notices: [Notice] = []
        for change in changes
        where listener.since < change.event.tid && listener.events.contains(change.notice.event) {
            guard let item = facts[change.notice.number], try item.fulfils(condition) else { continue }
            if tests[item.collection] == nil {
                tests[item.collection] = try await service.gate.itemTest(
                    listener.principal, "stac:Search", in: item.collection, listener.context)
            }
            guard let test = tests[item.collection], try item.passes(test) else { continue }
            notices.append(Notice(event: change.event, content: change.notice.content))
        }
        return notices
    }

    package func message(
        _ delivery: Delivery, for principal: Principal, _ context: RequestContext
    ) async throws -> TopicMessage? {
        guard let event = SubscriptionNotice(delivery)?.event.names.first,
            let notice = try await service.notice(
                delivery, principal, context, service.webURL + ODataService.basePath, isAcknowledged: false)
        else { return nil }
        return TopicMessage(type: "martlet.product.\(event)", subject: notice.name, data: notice.json)
    }
}

/// What happened to an item.
private struct ItemChange {
    var event: Event
    var notice: SubscriptionNotice

    /// Nil for what nobody is told of.
    init?(_ event: Event) {
        guard event.kind == .itemPut || event.kind == .itemDeleted,
            let detail = try? JSONValue(parsing: event.detail), let number = detail["number"]?.integer
        else { return nil }
        self.event = event
        let what: SubscriptionEvents =
            event.kind == .itemDeleted ? .deleted : detail["replaced"]?.bool == true ? .modified : .created
        notice = SubscriptionNotice(event: what, number: number)
    }
}
