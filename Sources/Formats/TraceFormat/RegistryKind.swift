/// What the registry has entries of. The raw values are those of addresses.
package enum RegistryKind: String, Sendable, Hashable, CaseIterable {
    /// Institutions that answer for services.
    case owners = "service-owners"
    /// Who runs services, each for an owner.
    case providers = "service-providers"
    /// What services are part of: missions, programmes, projects.
    case contexts = "service-contexts"
    /// Kinds of happenings, with a schema for what is said of one.
    case eventTypes = "event-types"

    /// For people.
    package var noun: String {
        switch self {
        case .owners: "service owner"
        case .providers: "service provider"
        case .contexts: "service context"
        case .eventTypes: "event type"
        }
    }
}
