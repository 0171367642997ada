import HTTPSupport

/// Parts of forms. Each form is sent to a page of ours, which takes it only from a page of ours.
extension HTML {
    mutating func form(_ action: String, class name: String = "fields", body: (inout HTML) throws -> Void) rethrows {
        try element("form", .class(name), .set("method", "post"), .set("action", action), body: body)
    }

    /// A field with its label.
    ///
    /// - Parameter id: names it within the page, where another field has the same name.
    mutating func field(
        _ label: String, _ name: String, id: String? = nil, value: String = "", type: String = "text",
        complete: String? = nil, isRequired: Bool = true, isFocused: Bool = false, note: String? = nil
    ) {
        element("label", .set("for", id ?? name), text: label)
        void(
            "input", .id(id ?? name), .set("name", name), .set("type", type),
            .set("value", value.isEmpty ? nil : value),
            .set("autocomplete", complete ?? "off"), .set("autocapitalize", type == "text" ? "none" : nil),
            .set("spellcheck", "false"), .flag("required", isRequired), .flag("autofocus", isFocused),
            .set("aria-describedby", note == nil ? nil : name + "-note"))
        if let note { element("p", .class("sub"), .id(name + "-note"), text: note) }
    }

    /// A field of several lines with its label.
    mutating func area(_ label: String, _ name: String, value: String = "", rows: Int, note: String? = nil) {
        element("label", .set("for", name), text: label)
        element(
            "textarea", .id(name), .set("name", name), .set("rows", String(rows)), .flag("required"),
            .set("aria-describedby", note == nil ? nil : name + "-note")
        ) { html in
            // A line break after the tag is not part of the text.
            html.raw("\n")
            html.text(value)
        }
        if let note { element("p", .class("sub"), .id(name + "-note"), text: note) }
    }

    /// A box to tick with its label.
    mutating func check(_ label: String, _ name: String, isOn: Bool) {
        element("label", .class("check")) { html in
            html.void(
                "input", .set("type", "checkbox"), .set("name", name), .set("value", "1"), .flag("checked", isOn))
            html.text(label)
        }
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
