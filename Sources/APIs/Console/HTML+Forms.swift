/// Parts of forms. Each form is sent to a page of ours, which takes it only from a page of ours.
extension HTML {
    mutating func form(_ action: String, class name: String = "fields", body: (inout HTML) throws -> Void) rethrows {
        try element("form", .class(name), .set("method", "post"), .set("action", action), body: body)
    }

    /// A field with its label.
    mutating func field(
        _ label: String, _ name: String, value: String = "", type: String = "text", complete: String? = nil,
        isRequired: Bool = true, isFocused: Bool = false, note: String? = nil
    ) {
        element("label", .set("for", name), text: label)
        void(
            "input", .id(name), .set("name", name), .set("type", type), .set("value", value.isEmpty ? nil : value),
            .set("autocomplete", complete ?? "off"), .set("autocapitalize", type == "text" ? "none" : nil),
            .set("spellcheck", "false"), .flag("required", isRequired), .flag("autofocus", isFocused),
            .set("aria-describedby", note == nil ? nil : name + "-note"))
        if let note { element("p", .class("sub"), .id(name + "-note"), text: note) }
    }

    mutating func hidden(_ name: String, _ value: String = "") {
        void("input", .set("type", "hidden"), .set("name", name), .set("value", value))
    }

    mutating func submit(_ label: String, isQuiet: Bool = false) {
        element("button", .set("type", "submit"), .set("class", isQuiet ? "quiet" : nil), text: label)
    }

    /// A form that is one button.
    mutating func button(_ label: String, _ action: String, says description: String? = nil) {
        form(action, class: "inline") { html in
            html.element(
                "button", .class("quiet"), .set("type", "submit"), .set("aria-label", description), text: label)
        }
    }

    /// What was wrong with the attempt before.
    mutating func problem(_ text: String?) {
        guard let text else { return }
        let sentence = text.prefix(1).uppercased() + text.dropFirst()
        element(
            "p", .class("problem"), .set("role", "alert"),
            text: sentence.hasSuffix(".") ? sentence : sentence + ".")
    }
}
